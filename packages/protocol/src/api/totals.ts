/** Totals of a host, by tenant. */
import * as z from 'zod';

export const TenantTotals = z
  .object({
    tenant: z.string(),
    live: z.int().describe('runs that have not ended: queued, active, paused and quarantined together'),
    queued: z.int().describe('not begun yet'),
    active: z.int(),
    paused: z.int(),
    quarantined: z.int(),
    queue_most: z.int().describe('number of live runs at which further jobs are refused; 0: the tenant is not configured any more'),
    residents: z.int().describe('runs in memory'),
    residents_most: z.int(),
    busy: z.int().describe('runs in memory that have something to do: they wait for a CPU, or use one'),
    cells: z.int(),
    cells_most: z.int().describe('false while a single run holds all of them'),
    replay_cpu_ms: z
      .int()
      .describe(
        'CPU time since this host started for bringing its runs back by replay, and for isolates made in advance that no run got; it is billed to no run’s purse',
      ),
  })
  .meta({ id: 'TenantTotals' });
export type TenantTotals = z.infer<typeof TenantTotals>;
export const Totals = z
  .object({ items: z.array(TenantTotals), cells: z.int().describe('processes; for the whole host, spare and borrowed ones too') })
  .meta({ id: 'Totals' });
