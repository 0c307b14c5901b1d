/** Whose a quarantine is: it says so, or is from before it did, when only the names of agents and tools had their tenant before them. */
import type { Quarantine } from '@corral/protocol/store';

/** @returns undefined for what is of no tenant, or of one that is not here any more */
export function tenantOf(
  { kind, tenant: own, name }: Pick<Quarantine, 'kind' | 'tenant' | 'name'>,
  tenants: readonly string[],
): string | undefined {
  if (own !== undefined || kind === 'version') return own;
  if (kind === 'tenant') return name;
  // Names of tenants may hold a / themselves; the longest that fits is meant.
  return tenants.filter((tenant) => name.startsWith(`${tenant}/`)).sort((a, b) => b.length - a.length)[0];
}
