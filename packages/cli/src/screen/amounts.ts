/** Amounts of a purse, as text. */
import { amountText, budgetName } from '@corral/protocol/model/cost';
import { BUDGET_NAMES } from '@corral/protocol/limits';
import { duration } from './table.ts';

/** Gives `1m of CPU, 10000 calls, …, 25.00 money`: every amount that a purse was given. */
export function budgetText(budget: Readonly<Record<string, number>>): string {
  return BUDGET_NAMES.flatMap((name) => {
    const amount = budget[name];
    if (amount === undefined) return [];
    return [name === 'cpu_ms' ? `${duration(amount)} of CPU` : `${amountText(name, amount)} ${budgetName(name)}`];
  }).join(', ');
}

/** The charges of tools; empty if none. */
export function chargedText({ tokens, money_micros }: { readonly tokens: number; readonly money_micros: number }): string {
  return [
    ...(money_micros === 0 ? [] : [`${amountText('money_micros', money_micros)} money`]),
    ...(tokens === 0 ? [] : [`${tokens} tokens`]),
  ].join(', ');
}
