/** Amounts of a purse at special moments: at the end of its run, after an overcharge, and for a call that is made again. */
import { amountText, budgetName, CHARGED, isCharged } from '@corral/protocol/model/cost';
import type { Json } from '@corral/protocol/json';
import { LIMIT_OF_BUDGET } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Tool } from '@corral/protocol/ports/tool';
import type { Dispatch } from '../effects/batch.ts';
import { exceeded } from '../effects/common.ts';
import type { Books } from '../ledger/books.ts';
import type { PendingCall } from '../ledger/pending.ts';
import { chargedOf, priceOf, Unpriced } from './price.ts';

/**
 * The amounts that the run spent or reserved, in whole units, capped at what it was granted. Amounts that tools charge are not capped: an
 * overcharge was spent, and the parent pays for it.
 */
export function wholeAmounts({ purse }: Books): Budget {
  // Reserved amounts count as spent: a call under way or a grandchild may still spend them, and the remainder has no run to go back to.
  const spent = purse.committed();
  return Object.fromEntries(
    Object.entries(spent).map(([name, amount]) => [
      name,
      isCharged(name) ? Math.ceil(amount) : Math.min(Math.ceil(amount), purse.granted[name as keyof typeof spent]),
    ]),
  );
}

/** The outcome of a run whose tools charged more than was left of its purse. The overcharge is paid, and the run ends. */
export function overcharged({ purse }: Books): Outcome | undefined {
  for (const name of CHARGED) {
    if (purse.left(name) >= 0) continue;
    const [granted, over] = [amountText(name, purse.granted[name]), amountText(name, -purse.left(name))];
    return exceeded(LIMIT_OF_BUDGET[name], `A tool charged ${over} of ${budgetName(name)} beyond what was left of the run’s ${granted}.`);
  }
  return undefined;
}

/**
 * The price of a call that is sent again.
 * @param first the call was never sent before. Otherwise its earlier attempts may have cost all that was reserved, so that is billed at
 * least
 */
export function billedAgain(tool: Tool, input: Json, reserved: Budget, first: boolean): Pick<Dispatch, 'price' | 'atLeast'> {
  const charged = chargedOf(reserved);
  try {
    return { price: priceOf(tool, input), ...(first || Object.keys(charged).length === 0 ? {} : { atLeast: charged }) };
  } catch (error) {
    // The tool's price has changed since the call was decided; what was reserved then is billed.
    if (error instanceof Unpriced) return { price: undefined, atLeast: charged };
    throw error;
  }
}

/**
 * The amount to reserve when a person has a call of unknown result made again: the first attempt may have been paid, so its price is
 * reserved once more, in addition to the existing reservation. A fork that makes a call of its origin pays for it as for any other call.
 */
export function priceOfRetry({ reserved, retried = 0, inherited }: PendingCall): Budget {
  if (inherited?.price !== undefined) return inherited.price;
  return Object.fromEntries(
    Object.entries(chargedOf(reserved)).flatMap(([name, amount]) => (amount > 0 ? [[name, Math.ceil(amount / (retried + 1))]] : [])),
  );
}

/** The sum of two budgets. */
export function added(one: Budget, other: Budget): Budget {
  const names = new Set([...Object.keys(one), ...Object.keys(other)] as (keyof Budget)[]);
  return Object.fromEntries([...names].map((name) => [name, (one[name] ?? 0) + (other[name] ?? 0)]));
}
