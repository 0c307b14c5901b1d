/**
 * What a call may cost, known when it is asked for, and what its attempts did cost, known one by one. An attempt of which nobody can
 * be sure that it did nothing costs all that it might have: what is billed is never less than what was spent, as far as tools tell
 * the truth.
 */
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Purse } from '@corral/policy/capability/purse';
import { CHARGED, costOf, microsOf, sumOf, type ChargedName, type Cost } from '@corral/protocol/model/cost';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';
import { mayRepeat, type Tool, type ToolAnnotations, type ToolResult } from '@corral/protocol/ports/tool';

export interface Price {
  /** What each attempt costs at most. */
  readonly each: Cost;
  /** Millionths that the call moves: once, however often it is attempted, since only what does nothing twice is. */
  readonly moves: number;
}

/** What a call was not charged for. */
export const FREE: Cost = { tokens: 0, money_micros: 0 };

/** Why nobody can tell what a call may cost. */
export class Unpriced extends Error {
  readonly limit: ChargedName;
  constructor(limit: ChargedName, message: string) {
    super(message);
    this.limit = limit;
  }
}

/**
 * @param input as the tool will see it
 * @returns undefined for a tool that charges nothing and moves nothing
 * @throws Unpriced
 */
export function priceOf({ name, annotations }: Tool, input: Json): Price | undefined {
  const { costs, money } = annotations;
  if (costs === undefined && money === undefined) return undefined;
  const each: { [K in ChargedName]?: number } = {};
  for (const amount of CHARGED) {
    const most = costs?.[amount];
    if (most === undefined) continue;
    const said = typeof most === 'number' ? most : argumentAt(input, most);
    if (typeof said !== 'number' || !(said >= 0))
      throw new Unpriced(amount, `${name} costs what its argument ${most} says, and that is not a number: nobody can tell how much.`);
    each[amount] = Math.min(Math.ceil(said), Number.MAX_SAFE_INTEGER);
  }
  return { each, moves: money === undefined ? 0 : movedBy(name, money, argumentAt(input, money)) };
}

function movedBy(tool: string, argument: string, value: unknown): number {
  if (value === undefined || value === null) return 0;
  const amount = typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  const micros = typeof amount === 'number' && amount < 0 ? undefined : microsOf(amount);
  if (micros === undefined)
    throw new Unpriced(
      'money_micros',
      `${tool} moves what its argument ${argument} says, and that is not an amount: nobody can tell how much.`,
    );
  return micros;
}

/** Attempts at most, by what the tool says of itself and what the agent asked for. */
export const attemptsOf = (annotations: ToolAnnotations, wanted: number | undefined): number =>
  Math.min(wanted ?? (mayRepeat(annotations) ? MACHINE.retry_attempts.default : 1), MACHINE.retry_attempts.max);

/** As many attempts as the purse can pay for, and one in any case: whether it has that is for who reserves it. */
export function attemptsWithin(purse: Pick<Purse, 'left'>, { each, moves }: Price, wanted: number): number {
  let attempts = wanted;
  for (const name of CHARGED) {
    const most = each[name] ?? 0;
    const left = purse.left(name) - (name === 'money_micros' ? moves : 0);
    if (most > 0) attempts = Math.min(attempts, Math.floor(left / most));
  }
  return Math.max(1, attempts);
}

/** What is to be reserved for so many attempts. */
export function reservedFor({ each, moves }: Price, attempts: number): Budget {
  const tokens = (each.tokens ?? 0) * attempts;
  const money_micros = (each.money_micros ?? 0) * attempts + moves;
  return { ...(tokens === 0 ? {} : { tokens }), ...(money_micros === 0 ? {} : { money_micros }) };
}

/** The part of a reservation that tools charge. */
export function chargedOf(reserved: Budget): Cost {
  const { tokens, money_micros } = reserved;
  return { ...(tokens === undefined ? {} : { tokens }), ...(money_micros === undefined ? {} : { money_micros }) };
}

type Attempted = ToolResult | { readonly kind: 'timed_out'; readonly message: string };

/** Adds up what the attempts at one call have cost. */
export class Bill {
  readonly #price: Price | undefined;
  /** For a call that is made again by a host that does not know what was tried before: what was reserved is spent at least. */
  readonly #atLeast: Cost;
  #before: Cost = {};
  #last: Attempted | undefined;
  /** An attempt before the last may have moved the money. */
  #maybe = false;

  constructor(price: Price | undefined, atLeast: Cost = {}) {
    this.#price = price;
    this.#atLeast = atLeast;
  }

  attempted(result: Attempted): void {
    if (this.#last !== undefined) {
      this.#before = sumOf(this.#before, this.#costOf(this.#last, 0));
      this.#maybe ||= !isIdle(this.#last);
    }
    this.#last = result;
  }

  /** Undefined for a call that nothing is known to have charged for. */
  get total(): Cost | undefined {
    if (this.#last === undefined) return this.#price === undefined ? undefined : FREE;
    const total: { [K in ChargedName]?: number } = { ...sumOf(this.#before, this.#costOf(this.#last, this.#price?.moves ?? 0)) };
    if (this.#maybe && isIdle(this.#last)) total.money_micros = (total.money_micros ?? 0) + (this.#price?.moves ?? 0);
    for (const name of CHARGED) {
      const least = this.#atLeast[name];
      if (least !== undefined) total[name] = Math.max(least, total[name] ?? 0);
    }
    return Object.keys(total).length === 0 ? undefined : total;
  }

  /** What one attempt cost: as it says, or else all that it might have. */
  #costOf(result: Attempted, moves: number): Cost {
    const said = 'cost' in result ? costOf(result.cost) : {};
    if (this.#price === undefined) return said;
    const { each } = this.#price;
    const nothing = isIdle(result);
    const tokens = said.tokens ?? (nothing ? 0 : each.tokens);
    const money_micros = said.money_micros ?? (nothing ? 0 : (each.money_micros ?? 0) + moves);
    return { ...(tokens === undefined ? {} : { tokens }), money_micros };
  }
}

/** Whether it is sure that the attempt changed nothing. */
const isIdle = (result: Attempted): boolean => result.kind === 'failed' && result.retryable === true;
