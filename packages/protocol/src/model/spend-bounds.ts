/** The limits of accounts, as a configuration states them. */
import * as z from 'zod';
import { BUDGETS } from '../limits.ts';
import type { SpendName, SpendPeriod } from './spend.ts';

const amount = (name: SpendName) => z.int().min(0).max(BUDGETS[name].max);
const bound = (name: SpendName) =>
  z.union([
    amount(name).describe('as `hard`'),
    z.strictObject({
      soft: amount(name).exactOptional().describe('a warning is sent from here on, once a period'),
      hard: amount(name).exactOptional().describe('a call that would exceed it is not made, and its run is paused'),
    }),
  ]);
const PeriodBounds = z.strictObject({
  money_micros: bound('money_micros').exactOptional().describe('in millionths of the tenant’s currency'),
  tokens: bound('tokens').exactOptional(),
  calls: bound('calls').exactOptional(),
});
export const AccountBounds = z.strictObject({
  day: PeriodBounds.exactOptional().describe('a day of UTC'),
  month: PeriodBounds.exactOptional().describe('a month of UTC'),
});
export type AccountBounds = z.infer<typeof AccountBounds>;

export interface Bound {
  readonly soft?: number;
  readonly hard?: number;
}

/** A limit as the configuration states it: a number alone is a hard limit. */
export const boundOf = (bounds: AccountBounds | undefined, period: SpendPeriod, name: SpendName): Bound | undefined => {
  const said = bounds?.[period]?.[name];
  return typeof said === 'number' ? { hard: said } : said;
};
