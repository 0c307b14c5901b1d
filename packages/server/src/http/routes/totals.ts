/** Totals of a host and of each tenant: how many runs, in which state, and what resources they hold. */
import type { TenantTotals } from '@corral/protocol/api/totals';
import type { TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { ServerContext } from '../context.ts';
import type { Handlers } from './handler.ts';

export function totalsRoutes(door: ServerContext): Handlers<'totals'> {
  return {
    async totals({ query }, { access }) {
      const only = access.some('run.read', query.tenant);
      const items = totalsOf(door, only);
      return { items, cells: only === undefined ? door.host.cells().length : items.reduce((sum, one) => sum + one.cells, 0) };
    },
  };
}

/** @param only of one tenant; undefined: of all that are configured or have runs */
export function totalsOf({ host, index, settings }: ServerContext, only: TenantId | undefined): TenantTotals[] {
  const { config } = settings.inForce();
  const found = new Map<string, { queued: number; active: number; paused: number; quarantined: number }>();
  for (const tenant of Object.keys(config.tenants))
    if (only === undefined || only === tenant) found.set(tenant, { queued: 0, active: 0, paused: 0, quarantined: 0 });
  // A tenant that was removed from the configuration may still have runs.
  for (const { tenant, state, runs } of index.counts(only)) {
    const row = found.get(tenant) ?? { queued: 0, active: 0, paused: 0, quarantined: 0 };
    found.set(tenant, row);
    row[state] += runs;
  }
  return [...found].map(([tenant, states]): TenantTotals => {
    const { queue = 0, residents, cells } = config.tenants[tenant as TenantId] ?? {};
    const now = host.tenant(tenant as TenantId);
    return {
      tenant,
      live: states.queued + states.active + states.paused + states.quarantined,
      ...states,
      queue_most: queue,
      residents: now.residents,
      residents_most: residents ?? MACHINE.residents.default,
      busy: now.busy,
      cells: now.cells,
      cells_most: cells ?? MACHINE.cells_per_tenant.default,
      replay_cpu_ms: now.replay_cpu_ms,
    };
  });
}
