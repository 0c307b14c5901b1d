/** The common part of lists of calls and of questions that wait for people. */
import * as z from 'zod';
import { json, time_ms } from './parts.ts';

export const seenBy = {
  claim: z.object({ by: z.string(), since: time_ms, until: time_ms }).nullable().describe('who says that they are looking at it'),
  later: time_ms.nullable().describe('until when you have put it off'),
};
export const withLater = {
  later: z.enum(['true', 'false']).default('false').describe('`true`: with those that you have put off'),
};

/** A call in short; null: its tool is not offered any more, or its arguments are withheld. */
export const does = z
  .object({
    destination: z.record(z.string(), json).nullable().describe('the arguments that say where it goes; null: none does'),
    money: z.number().nullable().describe('the amount of this call; null: it moves none'),
  })
  .nullable();

export const proof = z
  .string()
  .min(1)
  .max(8_192)
  .exactOptional()
  .describe('your token once more, where the configuration wants that for such a call (`needs_proof`); it is not recorded');
