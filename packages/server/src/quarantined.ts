/** Whose a quarantine is: agents and tools are named with their tenant before them. */
import type { Quarantine } from '@corral/protocol/store';

/** @returns undefined for what is of no tenant, or of one that is not here any more */
export function tenantOf({ kind, name }: Pick<Quarantine, 'kind' | 'name'>, tenants: readonly string[]): string | undefined {
  if (kind === 'version') return undefined;
  if (kind === 'tenant') return name;
  // Names of tenants may hold a / themselves; the longest that fits is meant.
  return tenants.filter((tenant) => name.startsWith(`${tenant}/`)).sort((a, b) => b.length - a.length)[0];
}
