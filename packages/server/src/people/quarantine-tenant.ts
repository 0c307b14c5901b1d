/** The tenant of a quarantine: stated in it, or, in records of older hosts, the first part of the name of an agent or tool. */
import type { Quarantine } from '@corral/protocol/model/quarantine';

/** @returns undefined for a quarantine of no tenant, or of one that is not configured any more */
export function tenantOf(
  { kind, tenant: own, name }: Pick<Quarantine, 'kind' | 'tenant' | 'name'>,
  tenants: readonly string[],
): string | undefined {
  if (own !== undefined || kind === 'version') return own;
  if (kind === 'tenant') return name;
  // Names of tenants may contain a `/`; the longest one that matches is meant.
  return tenants.filter((tenant) => name.startsWith(`${tenant}/`)).sort((a, b) => b.length - a.length)[0];
}
