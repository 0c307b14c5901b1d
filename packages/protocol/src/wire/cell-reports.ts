/** Reports of a cell about itself, with the checks of the supervisor: a cell is not trusted. */
import * as z from 'zod';
import { DIFFERENCE_KINDS } from './difference.ts';
import type { FaultPayload as Fault, ReadyPayload as Ready } from './frame.ts';

const text = z.string().max(8192);

export const ReadyPayload: z.ZodType<Ready> = z.strictObject({
  pid: z.int(),
  node: z.string().max(64),
  v8: z.string().max(64),
  icu: z.string().max(64),
});

export const FaultPayload: z.ZodType<Fault> = z.strictObject({
  fault: z.enum(['load', 'load_timeout', 'timeout', 'memory', 'rejected', 'too_many', 'log_bytes', 'diverged']),
  message: text,
  stack: text.exactOptional(),
  crank: z.int().exactOptional(),
  index: z.int().min(0).exactOptional(),
  kind: z.enum(DIFFERENCE_KINDS).exactOptional(),
  expected: text.exactOptional(),
  seen: text.exactOptional(),
});
