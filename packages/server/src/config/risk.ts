/** Thresholds of a configuration (`risk`), which become policies: packages/policy/src/pack/risk.ts. */
import * as z from 'zod';
import { RISK_ANSWERS, RISK_DIGITS } from '@corral/policy/pack/risk';

const Answer = z.enum(RISK_ANSWERS, 'must be `ask` (one person), `two` (two people) or `never`');
/** Policies compare money with four digits after the point, so a finer threshold would mean another than it says. */
const amount = z
  .number()
  .min(0)
  .max(1e12)
  .refine((value) => Number(value.toFixed(RISK_DIGITS)) === value, `has more than ${RISK_DIGITS} digits after the point`);
const Amounts = z
  .strictObject({
    ask: amount.exactOptional().describe('a call that moves more waits for a person'),
    two: amount.exactOptional().describe('a call that moves more waits for two different people'),
    never: amount.exactOptional().describe('a call that moves more is refused'),
    day: amount
      .exactOptional()
      .describe('a call is refused if the agent would have spent more money than this on a day of UTC, in whatever way'),
  })
  .refine((amounts) => Object.keys(amounts).length > 0, 'names no threshold')
  .refine(({ ask = 0, two = ask, never = two }) => ask <= two && two <= never, 'must rise: `ask` at most `two`, `two` at most `never`');

export const Risk = z
  .strictObject({
    external: Answer.exactOptional().describe('a call that changes something beyond this host'),
    irreversible: Answer.exactOptional().describe('a call whose changes cannot be undone'),
  })
  .catchall(z.union([Answer, Amounts], 'must be `ask`, `two`, `never`, or thresholds such as { ask: 100, two: 1_000 }'))
  .refine((risk) => Object.keys(risk).every((name) => RISK_NAME.test(name)), {
    error: ({ input }) =>
      `${Object.keys(input as object)
        .filter((name) => !RISK_NAME.test(name))
        .join(', ')}: must be \`external\`, \`irreversible\`, the name of a tool, or a pattern such as \`payments.*\``,
  });
/** A tool's name, in which `*` stands for any text. */
const RISK_NAME = /^[a-zA-Z0-9_*][a-zA-Z0-9_.*:-]{0,127}$/;
