/** How a run ended. Outcomes distinguish "ran, but the result was lost" from "never ran". */
import * as z from 'zod';
import { DIFFERENCE_KINDS } from '../wire/difference.ts';
import { ERRORS, type ErrorCode } from '../errors.ts';
import type { Json } from '../json.ts';
import { LIMIT_NAMES } from '../limits.ts';

export const ErrorCodeSchema = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]);

const TEXT = 4096;
const text = z.string().max(TEXT);

export const Outcome = z.discriminatedUnion('kind', [
  /** The agent finished; its output fits its own schema and is in the journal. */
  z.object({ kind: z.literal('completed'), output: z.unknown() as z.ZodType<Json> }),
  /** It ran and failed. `stack` is as the guest reported it. */
  z.object({ kind: z.literal('failed'), code: ErrorCodeSchema, message: text, stack: text.exactOptional() }),
  /** A person or a rule stopped it. */
  z.object({ kind: z.literal('killed'), by: z.string(), reason: text }),
  z.object({ kind: z.literal('exceeded'), limit: z.enum(LIMIT_NAMES), message: text }),
  z.object({ kind: z.literal('looped'), evidence: text }),
  /** Refused at admission: none of its code ran. */
  z.object({ kind: z.literal('denied'), code: ErrorCodeSchema, message: text }),
  /** Replay did something else than the journal says. */
  z.object({
    kind: z.literal('diverged'),
    crank: z.int(),
    expected: text,
    seen: text,
    /** Which effect of the crank, from 0, and how it differs; absent if the crank did not return. */
    index: z.int().min(0).exactOptional(),
    difference: z.enum(DIFFERENCE_KINDS).exactOptional(),
  }),
  /** Admitted, but none of its code ran. */
  z.object({ kind: z.literal('never_started'), code: ErrorCodeSchema, message: text }),
  z.object({ kind: z.literal('cancelled'), by: z.string(), reason: text }),
]);
export type Outcome = z.infer<typeof Outcome>;

/** A text, cut to what an outcome or a refusal may hold. */
export const bounded = (message: string): string => (message.length > TEXT ? `${message.slice(0, TEXT - 1)}…` : message);

/** An outcome with its texts cut to their limit: they are stored for good and passed to parents. */
export function boundedOutcome(outcome: Outcome): Outcome {
  if (outcome.kind === 'completed') return outcome;
  const entries = Object.entries(outcome).map(([name, value]) => [name, typeof value === 'string' ? bounded(value) : value] as const);
  return Object.fromEntries(entries) as unknown as Outcome;
}
