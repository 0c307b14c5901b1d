/**
 * Costs of calls in tokens and money. A tool declares beforehand what a call costs at most (`costs`, `money`), and reports
 * afterwards what it did cost; the first is reserved, the second is billed (ARCHITECTURE.md, "Authority and budgets").
 */
import * as z from 'zod';
import { BUDGETS, MICROS, type BudgetName } from '../limits.ts';

/** The amounts of a purse that a tool may charge. */
export const CHARGED = ['tokens', 'money_micros'] as const satisfies readonly BudgetName[];
export type ChargedName = (typeof CHARGED)[number];

export const isCharged = (name: string): name is ChargedName => CHARGED.some((one) => one === name);

/** The cost of one attempt, in tokens and in millionths of the tenant's currency; an amount that is left out is unknown. */
export type Cost = { readonly [K in ChargedName]?: number };

/** The most that one attempt may cost: a number, or the name of the argument that holds it (a dot reaches into objects). */
const most = (name: ChargedName) => z.union([z.int().min(0).max(BUDGETS[name].max), z.string().min(1).max(200)]).exactOptional();
export const Costs = z.strictObject({ tokens: most('tokens'), money_micros: most('money_micros') });
export type Costs = Readonly<z.infer<typeof Costs>>;

/**
 * An amount in whole units of the currency as millionths, rounded up. Negative amounts count as 0; undefined for anything that is
 * not an amount.
 */
export function microsOf(amount: unknown): number | undefined {
  if (typeof amount !== 'number' || Number.isNaN(amount)) return undefined;
  // Digits beyond the millionth may come from the binary representation of the number, so it is rounded before it is rounded up.
  const micros = Math.ceil(Math.round(amount * MICROS * 1000) / 1000);
  return Math.min(Math.max(micros, 0), Number.MAX_SAFE_INTEGER);
}

/** The cost that a tool reports, as far as it is valid: whole numbers, not negative. Anything else counts as unknown. */
export function costOf(said: unknown): Cost {
  if (typeof said !== 'object' || said === null) return {};
  const cost: { [K in ChargedName]?: number } = {};
  for (const name of CHARGED) {
    const value = (said as Record<string, unknown>)[name];
    if (typeof value === 'number' && value >= 0) cost[name] = Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER);
  }
  return cost;
}

export function sumOf(a: Cost, b: Cost): Cost {
  const sum: { [K in ChargedName]?: number } = { ...a };
  for (const name of CHARGED) {
    const value = b[name];
    if (value !== undefined) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum;
}

/** Money as text: `2.50`, `0.000125`. */
export function moneyText(micros: number): string {
  const sign = micros < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(micros) / MICROS);
  const rest = String(Math.abs(Math.round(micros)) % MICROS).padStart(6, '0');
  return `${sign}${whole}.${rest.slice(0, 2)}${rest.slice(2).replace(/0+$/, '')}`;
}

/** An amount of a purse as text, without its name. */
export const amountText = (name: BudgetName, amount: number): string => (name === 'money_micros' ? moneyText(amount) : String(amount));

/** The name of an amount of a purse, for people. */
export const budgetName = (name: BudgetName): string => (name === 'money_micros' ? 'money' : name);
