/** What the broker decided about one effect. Recorded with the crank; recovery folds it and never decides again. */
import * as z from 'zod';
import { GrantId, RunId, ToolName } from './ids.ts';
import { ErrorCodeSchema } from './outcome.ts';
import { Budget } from './manifest.ts';

export const Decision = z.object({
  /** The effect's id; effects without a reply (log, emit, listen) have no decision. */
  id: z.int(),
  verdict: z.enum(['allow', 'deny']),
  /** Of a denial. */
  code: ErrorCodeSchema.exactOptional(),
  message: z.string().exactOptional(),
  limit: z.string().exactOptional(),
  /** The tool a call went to. */
  tool: ToolName.exactOptional(),
  /** The grant a call or send used; for a spawn, the parent’s grant of the child’s mailbox. */
  grant: GrantId.exactOptional(),
  /** What was reserved of the purse. */
  reserved: Budget.exactOptional(),
  /** The child that a spawn made. */
  child: RunId.exactOptional(),
  /** When a timer is due. */
  due: z.number().exactOptional(),
});
export type Decision = z.infer<typeof Decision>;
