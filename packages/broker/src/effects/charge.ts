/** The reservation for a call: the call itself, its bytes, and what its tool may charge or move. */
import type { Purse } from '@corral/policy/capability/purse';
import { amountText } from '@corral/protocol/model/cost';
import { LIMIT_OF_BUDGET, type BudgetName } from '@corral/protocol/limits';
import type { CallEffect } from '@corral/protocol/wire/effect';
import type { Json } from '@corral/protocol/json';
import type { Budget } from '@corral/protocol/model/manifest';
import { SPEND_NAMES, type SpendName } from '@corral/protocol/model/spend';
import type { Tool } from '@corral/protocol/ports/tool';
import { limitOf, spentText, type Accounts, type AccountState } from '../accounts/accounts.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { attemptsOf, attemptsWithin, priceOf, reservedFor, Unpriced, type Price } from '../accounts/price.ts';
import { type Batch } from './batch.ts';
import { afford } from './common.ts';
import { Refused } from './refused.ts';
import type { DecideContext } from './context.ts';

export interface Charge {
  readonly reserved: Budget;
  readonly price: Price | undefined;
  /** Number of attempts that the reservation pays for; undefined if attempts cost nothing. */
  readonly attempts: number | undefined;
  /** The day on which the accounts above the run reserve it; undefined if they do not. */
  readonly day: string | undefined;
}

/**
 * @param besides further amounts to reserve
 * @throws Refused if the purse or an account cannot pay, or the price is unknown
 */
export function chargeFor(
  ledger: Ledger,
  tool: Tool,
  input: Json,
  bytes: number,
  retry: CallEffect['retry'],
  { accounts, now }: Pick<DecideContext, 'accounts' | 'now'>,
  batch: Batch,
  besides: Budget = {},
): Charge {
  const price = priced(tool, input);
  const costly = price !== undefined && Object.keys(price.each).length > 0;
  const attempts = costly
    ? attemptsWithin(purseWith(ledger, accounts, now), price, attemptsOf(tool.annotations, retry?.attempts))
    : undefined;
  const reserved = { calls: 1, bytes, ...besides, ...(price === undefined ? {} : reservedFor(price, attempts ?? 1)) };
  afford(ledger, reserved);
  const lacks = accounts?.lacks(ledger, reserved, now);
  if (lacks !== undefined) throw spentAbove(lacks, reserved, batch);
  return { reserved, price, attempts, day: accounts?.dayFor(ledger.record, reserved, now) };
}

/** The remainder of an amount for a run, in its purse and in the accounts above it. */
const purseWith = (ledger: Ledger, accounts: Accounts | undefined, now: number): Pick<Purse, 'left'> =>
  accounts === undefined
    ? ledger.purse
    : { left: (name) => Math.min(ledger.purse.left(name), isSpend(name) ? accounts.left(ledger, name, now) : Number.POSITIVE_INFINITY) };

const isSpend = (name: BudgetName): name is SpendName => SPEND_NAMES.some((one) => one === name);

/** Refuses a call that would pass a hard limit, and pauses its run before the run gets the refusal. */
function spentAbove(state: AccountState, reserved: Budget, batch: Batch): Refused {
  const spent = spentText(state);
  if (batch.consequences.every((one) => one.spent === undefined)) batch.consequences.push({ kind: 'pause', rules: [], spent });
  const amount = reserved[state.name] ?? 0;
  const needs = amount > 0 ? ` The call needs ${amountText(state.name, amount)}.` : '';
  return new Refused('CORRAL_SPEND_EXCEEDED', `${spent}${needs}`, limitOf(state));
}

function priced(tool: Tool, input: Json): Price | undefined {
  try {
    return priceOf(tool, input);
  } catch (error) {
    if (error instanceof Unpriced) throw new Refused('CORRAL_BUDGET_EXCEEDED', error.message, LIMIT_OF_BUDGET[error.limit]);
    throw error;
  }
}
