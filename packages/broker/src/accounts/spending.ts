/** Where a purse and its run's end meet: what goes back to a parent, what is overspent, and what is billed for a call made again. */
import { amountText, budgetName, CHARGED, isCharged } from '@corral/protocol/model/cost';
import type { Json } from '@corral/protocol/json';
import { LIMIT_OF_BUDGET } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Dispatch } from '../effects/batch.ts';
import { exceeded } from '../effects/common.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { PendingCall } from '../ledger/pending.ts';
import { chargedOf, priceOf, Unpriced } from './price.ts';

/**
 * What the run spent or gave away, in whole units, and never more than it had of what it could not overspend. What a tool charged beyond
 * that was spent all the same, and is its parent's loss.
 */
export function wholeAmounts({ purse }: Ledger): Budget {
  // What is still reserved may be spent yet, by a call under way or a grandchild; nobody is left to give it back to.
  const spent = purse.committed();
  return Object.fromEntries(
    Object.entries(spent).map(([name, amount]) => [
      name,
      isCharged(name) ? Math.ceil(amount) : Math.min(Math.ceil(amount), purse.granted[name as keyof typeof spent]),
    ]),
  );
}

/** A tool charged more than it had said it would, and more than there was: it was spent all the same, and is the last thing that is. */
export function overcharged({ purse }: Ledger): Outcome | undefined {
  for (const name of CHARGED) {
    if (purse.left(name) >= 0) continue;
    const [granted, over] = [amountText(name, purse.granted[name]), amountText(name, -purse.left(name))];
    return exceeded(LIMIT_OF_BUDGET[name], `A tool charged ${over} of ${budgetName(name)} beyond what was left of the run’s ${granted}.`);
  }
  return undefined;
}

/**
 * The price of a call that goes out once more.
 * @param first it was never made before by its run; of any other, nobody knows what it has cost so far, so all that was reserved is billed
 */
export function billedAgain(tool: Tool, input: Json, reserved: Budget, first: boolean): Pick<Dispatch, 'price' | 'atLeast'> {
  const charged = chargedOf(reserved);
  try {
    return { price: priceOf(tool, input), ...(first || Object.keys(charged).length === 0 ? {} : { atLeast: charged }) };
  } catch (error) {
    // What it says of its price has changed since; it was told what it may cost when the call was asked for.
    if (error instanceof Unpriced) return { price: undefined, atLeast: charged };
    throw error;
  }
}

/**
 * What a call of unknown result costs when a person has it made again: nobody knows that it was not paid the first time, so its price is
 * reserved once more, beside what is reserved for it already. A fork that makes a call of its origin pays for it as for any call.
 */
export function priceOfRetry({ reserved, retried = 0, inherited }: PendingCall): Budget {
  if (inherited?.price !== undefined) return inherited.price;
  return Object.fromEntries(
    Object.entries(chargedOf(reserved)).flatMap(([name, amount]) => (amount > 0 ? [[name, Math.ceil(amount / (retried + 1))]] : [])),
  );
}

/** Two budgets together. */
export function added(one: Budget, other: Budget): Budget {
  const names = new Set([...Object.keys(one), ...Object.keys(other)] as (keyof Budget)[]);
  return Object.fromEntries([...names].map((name) => [name, (one[name] ?? 0) + (other[name] ?? 0)]));
}
