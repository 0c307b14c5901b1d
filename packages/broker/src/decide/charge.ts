/** What a call takes out of the purse while it is under way: itself, its bytes, and what its tool may charge or move. */
import { LIMIT_OF_BUDGET } from '@corral/protocol/limits';
import type { CallEffect } from '@corral/protocol/effect';
import type { Json } from '@corral/protocol/json';
import type { Budget } from '@corral/protocol/manifest';
import type { Tool } from '@corral/protocol/tool';
import type { Ledger } from '../ledger.ts';
import { attemptsOf, attemptsWithin, priceOf, reservedFor, Unpriced, type Price } from '../price.ts';
import { Refused } from './batch.ts';
import { afford } from './common.ts';

export interface Charge {
  readonly reserved: Budget;
  readonly price: Price | undefined;
  /** What the reservation is for; undefined where attempts cost nothing. */
  readonly attempts: number | undefined;
}

/** @throws Refused when the purse does not have it, or nobody can tell how much it is */
export function chargeFor(ledger: Ledger, tool: Tool, input: Json, bytes: number, retry: CallEffect['retry']): Charge {
  const price = priced(tool, input);
  const costly = price !== undefined && Object.keys(price.each).length > 0;
  const attempts = costly ? attemptsWithin(ledger.purse, price, attemptsOf(tool.annotations, retry?.attempts)) : undefined;
  const reserved = { calls: 1, bytes, ...(price === undefined ? {} : reservedFor(price, attempts ?? 1)) };
  afford(ledger, reserved);
  return { reserved, price, attempts };
}

function priced(tool: Tool, input: Json): Price | undefined {
  try {
    return priceOf(tool, input);
  } catch (error) {
    if (error instanceof Unpriced) throw new Refused('CORRAL_BUDGET_EXCEEDED', error.message, LIMIT_OF_BUDGET[error.limit]);
    throw error;
  }
}
