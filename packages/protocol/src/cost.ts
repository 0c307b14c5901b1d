/**
 * What calls cost besides being made: tokens and money. A tool says beforehand what a call costs at most (`costs`, `money`), and
 * afterwards what it did cost; the first is reserved, the second is billed (DESIGN 3.10).
 */
import * as z from 'zod';
import { BUDGETS, MICROS, type BudgetName } from './limits.ts';

/** The amounts of a purse that a tool may charge. */
export const CHARGED = ['tokens', 'money_micros'] as const satisfies readonly BudgetName[];
export type ChargedName = (typeof CHARGED)[number];

export const isCharged = (name: string): name is ChargedName => CHARGED.some((one) => one === name);

/** What an attempt at a call has cost, in tokens and in millionths of the tenant's currency; what is left out is not known. */
export type Cost = { readonly [K in ChargedName]?: number };

/** The most that one attempt may cost: a number, or the name of the argument that says it (a dot reaches into objects). */
const most = (name: ChargedName) => z.union([z.int().min(0).max(BUDGETS[name].max), z.string().min(1).max(200)]).exactOptional();
export const Costs = z.strictObject({ tokens: most('tokens'), money_micros: most('money_micros') });
export type Costs = Readonly<z.infer<typeof Costs>>;

/** An amount in whole units of the currency as millionths, rounded up; undefined for what is no amount. Nothing negative counts. */
export function microsOf(amount: unknown): number | undefined {
  if (typeof amount !== 'number' || Number.isNaN(amount)) return undefined;
  // A digit beyond the millionth may be nothing but how the number is held.
  const micros = Math.ceil(Math.round(amount * MICROS * 1000) / 1000);
  return Math.min(Math.max(micros, 0), Number.MAX_SAFE_INTEGER);
}

/** What a tool says it has cost, as far as that can be one: whole numbers, not negative. Anything else is not known. */
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

/** Money for people to read: `2.50`, `0.000125`. */
export function moneyText(micros: number): string {
  const sign = micros < 0 ? '-' : '';
  const whole = Math.floor(Math.abs(micros) / MICROS);
  const rest = String(Math.abs(Math.round(micros)) % MICROS).padStart(6, '0');
  return `${sign}${whole}.${rest.slice(0, 2)}${rest.slice(2).replace(/0+$/, '')}`;
}

/** An amount of a purse for people to read, without its name. */
export const amountText = (name: BudgetName, amount: number): string => (name === 'money_micros' ? moneyText(amount) : String(amount));

/** What people call an amount of a purse. */
export const budgetName = (name: BudgetName): string => (name === 'money_micros' ? 'money' : name);
