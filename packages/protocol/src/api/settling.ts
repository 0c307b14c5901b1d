/** What people settle: calls of unknown result, and runs that are held. */
import * as z from 'zod';
import { json, Reason, runId, time_ms } from './parts.ts';

/** Who said what came of a call, as it is listed afterwards. */
export const SettledBy = z.object({
  by: z.string(),
  how: z.enum(['retry', 'result', 'fail']),
  reason: z.string().nullable().describe('null: none was given'),
  at: time_ms,
});

export const Resolution = z
  .discriminatedUnion('how', [
    z.strictObject({ how: z.literal('retry'), reason: Reason }),
    z.strictObject({ how: z.literal('result'), value: json, reason: Reason }),
    z.strictObject({ how: z.literal('fail'), reason: Reason }),
  ])
  .meta({ id: 'Resolution' });
export const Release = z.strictObject({ reason: Reason }).meta({ id: 'Release' });
export const Resolved = z.object({ run: runId, call: z.int(), how: z.string() });
