/** The API of what a host is short of: nodes, cells, the queue, and circuit breakers. Webhooks have their own routes. */
import * as z from 'zod';
import { inTenant, runId, tenant, time_ms } from './parts.ts';
import { route } from './route.ts';
import { InTenant } from './schemas-agents.ts';
import { Page, listOf } from './schemas-page.ts';

/** Runs of a cell that its entry names at most. */
export const CELL_RUNS = 100;
/** Runs that hold the places of a tenant, named at most. */
export const HOLDERS = 20;

export const Node = z
  .object({
    node: z.int().describe('its number; a host that joins again gets another one'),
    name: z.string(),
    here: z.boolean().describe('this host'),
    alive: z.boolean(),
    since: time_ms.describe('when it joined'),
    seen_at: time_ms.describe('its last sign of life'),
    lease_until: time_ms.nullable().describe('when others may take its runs unless it gives a sign of life; null: never, or it is gone'),
    runs: z.int().describe('runs that it holds in memory'),
  })
  .meta({ id: 'Node' });

export const Cell = z
  .object({
    cell: z.string(),
    pid: z.int().nullable().describe('null for principals of one tenant'),
    tenant: tenant.nullable().describe('null: of no tenant yet'),
    state: z
      .enum(['starting', 'idle', 'working', 'stuck', 'paused', 'frozen', 'ending'])
      .describe('`stuck`: one run computes for so long that the others were moved; `paused`: with the run on its CPU'),
    on_cpu: runId.nullable().describe('the run whose crank or replay it has now'),
    runs: z.array(runId).describe(`runs that have an isolate in it, the first ${CELL_RUNS}`),
    run_count: z.int().describe('how many there are'),
    cpu_ms: z.number().nullable().describe('CPU time of the process since it started; null where nothing measures it'),
    memory_mib: z.number().nullable(),
  })
  .meta({ id: 'Cell' });

const Holder = z.object({
  run: runId,
  agent: z.string(),
  on_cpu: z.boolean(),
  waiting: z.string().describe('what it waits for; `nothing` if it has something to do'),
  waiting_for: z.string(),
  age_ms: z.number().describe('since its first turn'),
});
export const Queued = z
  .object({
    run: runId,
    tenant,
    agent: z.string(),
    principal: z.string(),
    since: time_ms.describe('when it was admitted'),
    position: z.int().describe('among the queued runs of its tenant, from 1'),
    why: z.string(),
  })
  .meta({ id: 'Queued' });
const QueueOfTenant = z.object({
  tenant,
  queued: z.int(),
  oldest: time_ms.describe('when the one that has waited longest was admitted'),
  residents: z.int().describe('places in memory that are taken'),
  residents_most: z.int(),
  cells: z.int(),
  cells_most: z.int(),
  holders: z
    .array(Holder)
    .describe(`runs that have these places, the first ${HOLDERS}: those on a CPU, those that wait for one, the others`),
});
export const Queue = listOf(Queued)
  .extend({ tenants: z.array(QueueOfTenant).describe('tenants that have queued runs, the longest wait first') })
  .meta({ id: 'Queue' });

export const Breaker = z
  .object({
    kind: z.enum(['tool', 'agent']),
    tenant,
    name: z.string().describe('of the tool or the agent'),
    version: z.string().nullable().describe('of the agent'),
    state: z.enum(['open', 'half_open']).describe('`open`: refused; `half_open`: a few are let through to see whether it works again'),
    since: time_ms.nullable().describe('null where that is not known'),
    until: time_ms.describe('when one is let through next; in the past while it is half open'),
    why: z.string(),
  })
  .meta({ id: 'Breaker' });

export const HEALTH_ROUTES = {
  listNodes: route({
    method: 'GET',
    path: '/v1/nodes',
    tag: 'health',
    summary: 'Lists the hosts that share the store: whether each is alive, until when its lease runs, how many runs it holds.',
    operation: 'host.read',
    status: 200,
    response: z.object({ items: z.array(Node).describe('those that are alive, hold runs, or were alive within a day') }),
  }),
  listCells: route({
    method: 'GET',
    path: '/v1/cells',
    tag: 'health',
    summary: 'Lists the processes of this host: which runs are in each, and its CPU time and memory as measured from outside.',
    operation: 'run.read',
    query: z.strictObject({ ...inTenant, run: runId.exactOptional().describe('only the cell that has this run') }),
    status: 200,
    response: z.object({ items: z.array(Cell) }),
  }),
  showQueue: route({
    method: 'GET',
    path: '/v1/queue',
    tag: 'health',
    summary:
      'Lists runs that wait for their first turn, the oldest first: the place of each, why it waits, and which runs have the places.',
    operation: 'run.read',
    query: Page.extend(InTenant.shape),
    status: 200,
    response: Queue,
  }),
  listBreakers: route({
    method: 'GET',
    path: '/v1/breakers',
    tag: 'health',
    summary: 'Lists circuit breakers that are open or half open: tools that are not called, and versions of agents that are not started.',
    operation: 'run.read',
    query: InTenant,
    status: 200,
    response: z.object({ items: z.array(Breaker) }),
  }),
};
