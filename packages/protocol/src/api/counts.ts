/** Counts of runs: by state now, and by hour or day. */
import * as z from 'zod';
import { AgentName } from '../ids.ts';
import { LIVE_STATES } from '../model/run-lists.ts';
import { inTenant, time_ms } from './parts.ts';
import { route } from './route.ts';

const StateCounts = z
  .record(z.string(), z.int())
  .describe(
    `how many runs are in each state: ${LIVE_STATES.join(', ')}, or as they ended: completed, failed …; states without a run are left out`,
  );
export const RunCounts = z
  .object({
    states: StateCounts,
    agents: z
      .array(z.object({ tenant: z.string(), agent: z.string(), states: StateCounts }))
      .describe('the agents with most runs that have not ended first'),
    more: z.boolean().describe('whether there are more agents than `limit`'),
  })
  .meta({ id: 'RunCounts' });

/** Hours or days of a history at most. */
export const SPANS = 1_000;
export const RunHistory = z
  .object({
    items: z.array(
      z.object({
        at: time_ms.describe('beginning of the hour or day, in milliseconds since 1970'),
        admitted: z.int(),
        ended: z.record(z.string(), z.int()).describe('how many ended in it, by state'),
        cpu_ms: z
          .number()
          .describe(
            'of the runs that ended in it, as are the other amounts; a run has those of its ended children in it, so children are not counted apart',
          ),
        calls: z.int().describe('of the runs that ended in it, children too'),
        tokens: z.number(),
        money_micros: z.number(),
      }),
    ),
  })
  .meta({ id: 'RunHistory' });

export const COUNT_ROUTES = {
  countRuns: route({
    method: 'GET',
    path: '/v1/runs/counts',
    tag: 'runs',
    summary: 'Counts runs by state, of each agent and of all.',
    operation: 'run.read',
    query: z.strictObject({ ...inTenant, limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('agents at most') }),
    status: 200,
    response: RunCounts,
  }),
  runHistory: route({
    method: 'GET',
    path: '/v1/runs/history',
    tag: 'runs',
    summary: 'Counts runs by hour or by day (UTC): how many were admitted, how many ended and how, and what these used.',
    operation: 'run.read',
    query: z.strictObject({
      ...inTenant,
      agent: AgentName.exactOptional(),
      from: z.coerce
        .number()
        .int()
        .min(0)
        .exactOptional()
        .describe('from the beginning of the hour or day of this time on, in milliseconds since 1970; left out: a day ago'),
      until: z.coerce.number().int().min(0).exactOptional().describe('to the end of the hour or day of this time; left out: now'),
      by: z.enum(['hour', 'day']).default('hour').describe(`at most ${SPANS} hours or days (UTC)`),
    }),
    status: 200,
    response: RunHistory,
  }),
};
