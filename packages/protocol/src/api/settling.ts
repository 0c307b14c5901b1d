/** Schemas of settling calls of unknown result, and of releasing held runs. */
import * as z from 'zod';
import { dryRun, json, Reason, runId, seenVersion, time_ms } from './parts.ts';
import { proof } from './asked.ts';
import { DOOR } from '../limits.ts';
import { RunSelector } from './selector.ts';

/** How a call was settled and by whom, as it is listed afterwards. */
export const SettledBy = z.object({
  by: z.string(),
  how: z.enum(['retry', 'result', 'fail']),
  reason: z.string().nullable().describe('null: none was given'),
  at: time_ms,
});

export const Resolution = z
  .discriminatedUnion('how', [
    z.strictObject({ how: z.literal('retry'), reason: Reason, ...dryRun }),
    z.strictObject({ how: z.literal('result'), value: json, reason: Reason, ...dryRun }),
    z.strictObject({ how: z.literal('fail'), reason: Reason, ...dryRun }),
  ])
  .meta({ id: 'Resolution' });
export const Release = z.strictObject({ reason: Reason, ...dryRun }).meta({ id: 'Release' });
export const Resolved = z.object({ run: runId, call: z.int(), how: z.string() });

/** Settling many at once. */
const One = z.object({ run: runId, call: z.int().nullable().describe('null: a held run'), tool: z.string().nullable() });
const Act = z.enum(['retry', 'fail', 'result', 'release', 'approve', 'deny']);
export const Settlement = z
  .strictObject({
    act: Act,
    value: json.exactOptional().describe('with `result`: the answer to each call'),
    where: RunSelector,
    tool: z.string().min(1).max(200).exactOptional().describe('only calls to this tool'),
    shape: z
      .string()
      .min(1)
      .max(100)
      .exactOptional()
      .describe('with `approve` and `deny`: only calls of this shape, as lists of approvals name it'),
    only: z
      .array(z.strictObject({ run: runId, call: z.int(), version: seenVersion }))
      .max(DOOR.settled_at_once.default)
      .exactOptional()
      .describe('of what matches, only these: what a dry run has shown, and nothing that came since'),
    proof,
    reason: Reason.exactOptional().describe('left out at most with `approve`'),
    dryRun: z.boolean().default(false),
  })
  .meta({ id: 'Settlement' });
export const SettlementResult = z
  .object({
    id: z.string(),
    at: time_ms,
    by: z.string(),
    act: Act,
    reason: z.string(),
    dryRun: z.boolean(),
    matched: z.array(One).describe('everything that matches the filter; in a dry run, nothing is done'),
    done: z.array(One),
    refused: z.array(One.extend({ code: z.string(), detail: z.string() })),
  })
  .meta({ id: 'SettlementResult' });
