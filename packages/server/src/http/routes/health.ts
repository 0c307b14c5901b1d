/** Shortages of a host: nodes, cells, the queue and who holds its places, and circuit breakers. */
import { CELL_RUNS, HOLDERS } from '@corral/protocol/api/health';
import { cursorOf, rowOf } from '@corral/protocol/api/cursor';
import { ANY_TENANT } from '@corral/protocol/api/roles';
import type { TenantTotals } from '@corral/protocol/api/totals';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { QueuedRun } from '@corral/protocol/ports/front-reads';
import type { ServerContext } from '../context.ts';
import { findRun, type Handlers } from './handler.ts';
import { totalsOf } from './totals.ts';

/** Hosts that are listed at most. */
const NODES = 200;

export function healthRoutes(door: ServerContext): Handlers<'listNodes' | 'listCells' | 'showQueue' | 'listBreakers'> {
  const { host, reads, lists } = door;
  return {
    async listNodes(_, { access }) {
      access.role('host.read');
      const here = host.node();
      return { items: (await host.nodes(NODES)).map((one) => ({ ...one, here: one.node === here })) };
    },

    async listCells({ query }, { access }) {
      const only = access.some('run.read', query.tenant);
      if (query.run !== undefined) findRun(door, access, 'run.read', query.run);
      const all = access.principal.tenant === ANY_TENANT;
      const items = host
        .cellDetails()
        .filter(({ tenant, runs }) => (only === undefined || tenant === only) && (query.run === undefined || runs.includes(query.run)))
        .map(({ id, runs, pid, tenant, on_cpu, cpu_ms, memory_mib, state }) => ({
          cell: id,
          pid: all ? (pid ?? null) : null,
          tenant: tenant ?? null,
          state,
          on_cpu: on_cpu ?? null,
          runs: runs.slice(0, CELL_RUNS),
          run_count: runs.length,
          cpu_ms: cpu_ms ?? null,
          memory_mib: memory_mib ?? null,
        }));
      return { items };
    },

    async showQueue({ query }, { access }) {
      const only = access.some('run.read', query.tenant);
      const { limit, cursor } = query;
      const [rows, oldest] = await lists.take(access.principal.tenant, () =>
        Promise.all([reads.queue({ tenant: only, after: rowOf(cursor), limit: limit + 1 }), reads.oldestQueued(only)]),
      );
      const totals = new Map(totalsOf(door, only).map((one) => [one.tenant, one]));
      const page = rows.slice(0, limit);
      return {
        items: page.map((row) => ({
          run: row.id as RunId,
          tenant: row.tenant as TenantId,
          agent: row.agent,
          principal: row.principal,
          since: row.created_at,
          position: row.position,
          why: whyOf(door, row, totals.get(row.tenant)),
        })),
        next: rows.length > page.length ? cursorOf(page.at(-1)?.n ?? 0) : null,
        tenants: oldest
          .toSorted((a, b) => a.created_at - b.created_at)
          .map(({ tenant, created_at, runs }) => ({
            ...placesOf(door, tenant as TenantId, totals.get(tenant)),
            queued: runs,
            oldest: created_at,
          })),
      };
    },

    async listBreakers({ query }, { access }) {
      const only = access.some('run.read', query.tenant);
      const tools = host.toolBreakers().map(({ tool, ...one }) => ({ ...one, kind: 'tool' as const, name: tool, version: null }));
      const agents = host.resting().map(({ agent, ...one }) => ({ ...one, kind: 'agent' as const, name: agent, since: null }));
      const items = [...tools, ...agents].filter(({ tenant }) => only === undefined || tenant === only);
      return { items: items.map((one) => ({ ...one, tenant: one.tenant as TenantId })) };
    },
  };
}

/** The places of a tenant, and the runs that have them. */
function placesOf({ host }: ServerContext, tenant: TenantId, totals: TenantTotals | undefined) {
  const { residents = 0, residents_most = 0, cells = 0, cells_most = 0 } = totals ?? {};
  const holders = host.holders(tenant, HOLDERS).map(({ id, agent, on_cpu, waiting, waitingFor, age_ms }) => ({
    run: id,
    agent,
    on_cpu,
    waiting,
    waiting_for: waitingFor,
    age_ms,
  }));
  return { tenant, residents, residents_most, cells, cells_most, holders };
}

/** Why a run has not had its first turn. */
function whyOf({ host }: ServerContext, { id, tenant, agent }: QueuedRun, totals: TenantTotals | undefined): string {
  const { residents = 0, residents_most = 0, cells = 0, cells_most = 0, queue_most = 0 } = totals ?? {};
  if (queue_most === 0) return 'its tenant is not configured any more';
  if (host.view(id as RunId) !== undefined)
    return cells === 0
      ? 'it is in memory, and waits for a cell of its tenant to start'
      : `it is in memory, and waits for its turn in one of ${cells} (at most ${cells_most}) cells of its tenant`;
  if (residents >= residents_most) return `it waits in the store: all ${residents_most} places in memory of its tenant are taken`;
  const rests = host.resting().find((one) => one.tenant === tenant && one.agent === agent);
  if (rests !== undefined) return `it waits in the store: ${agent} rests, since ${rests.why}`;
  return 'it waits in the store: the host is full, or brings it into memory just now';
}
