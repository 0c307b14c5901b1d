/** The common part of lists of calls and of questions that wait for people. */
import * as z from 'zod';
import { time_ms } from './parts.ts';

export const seenBy = {
  claim: z.object({ by: z.string(), since: time_ms, until: time_ms }).nullable().describe('who says that they are looking at it'),
  later: time_ms.nullable().describe('until when you have put it off'),
};
export const withLater = {
  later: z.enum(['true', 'false']).default('false').describe('`true`: with those that you have put off'),
};

export const proof = z
  .string()
  .min(1)
  .max(8_192)
  .exactOptional()
  .describe('your token once more, where the configuration wants that for such a call (`needs_proof`); it is not recorded');
