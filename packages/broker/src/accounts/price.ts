/**
 * The price of a call, known when the call is decided, and the cost of its attempts, known one by one. An attempt that may have had an
 * effect is billed at its maximum unless the tool reports a cost. So the bill is never below what was spent, if tools report honestly.
 */
import { argumentAt } from '@corral/policy/capability/predicate';
import type { Purse } from '@corral/policy/capability/purse';
import { CHARGED, costOf, microsOf, sumOf, type ChargedName, type Cost } from '@corral/protocol/model/cost';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Budget } from '@corral/protocol/model/manifest';
import { mayRepeat, type Tool, type ToolAnnotations, type ToolResult } from '@corral/protocol/ports/tool';

export interface Price {
  /** Maximum cost of one attempt. */
  readonly each: Cost;
  /**
   * Money that the call moves, in millionths. Counted once for all attempts, since a call that moves money is repeated only if a repeat
   * has no further effect.
   */
  readonly moves: number;
}

/** The cost of a call that was never attempted. */
export const FREE: Cost = { tokens: 0, money_micros: 0 };

/** The price of a call is unknown because an argument that determines it is invalid. */
export class Unpriced extends Error {
  readonly limit: ChargedName;
  constructor(limit: ChargedName, message: string) {
    super(message);
    this.limit = limit;
  }
}

/**
 * The price of a call.
 * @param input as the tool gets it
 * @returns undefined for a tool that neither charges nor moves money
 * @throws Unpriced
 */
export function priceOf({ name, annotations, bound }: Tool, input: Json): Price | undefined {
  const { costs, money } = annotations;
  if (bound !== undefined) {
    const each = bound(input);
    if (typeof each === 'string') throw new Unpriced('money_micros', each);
    return { each: costOf(each), moves: 0 };
  }
  if (costs === undefined && money === undefined) return undefined;
  const each: { [K in ChargedName]?: number } = {};
  for (const amount of CHARGED) {
    const most = costs?.[amount];
    if (most === undefined) continue;
    const said = typeof most === 'number' ? most : argumentAt(input, most);
    if (typeof said !== 'number' || !(said >= 0))
      throw new Unpriced(amount, `The cost of ${name} is given by its argument ${most}, which is not a number.`);
    each[amount] = Math.min(Math.ceil(said), Number.MAX_SAFE_INTEGER);
  }
  return { each, moves: money === undefined ? 0 : movedBy(name, money, argumentAt(input, money)) };
}

function movedBy(tool: string, argument: string, value: unknown): number {
  if (value === undefined || value === null) return 0;
  const amount = typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  const micros = typeof amount === 'number' && amount < 0 ? undefined : microsOf(amount);
  if (micros === undefined)
    throw new Unpriced('money_micros', `${tool} moves the amount in its argument ${argument}, which is not an amount of money.`);
  return micros;
}

/** Maximum number of attempts, from the tool's annotations and the number that the agent asked for. */
export const attemptsOf = (annotations: ToolAnnotations, wanted: number | undefined): number =>
  Math.min(wanted ?? (mayRepeat(annotations) ? MACHINE.retry_attempts.default : 1), MACHINE.retry_attempts.max);

/** The number of attempts that the purse can pay for, at most `wanted` and at least 1; the caller checks whether it can pay for one. */
export function attemptsWithin(purse: Pick<Purse, 'left'>, { each, moves }: Price, wanted: number): number {
  let attempts = wanted;
  for (const name of CHARGED) {
    const most = each[name] ?? 0;
    const left = purse.left(name) - (name === 'money_micros' ? moves : 0);
    if (most > 0) attempts = Math.min(attempts, Math.floor(left / most));
  }
  return Math.max(1, attempts);
}

/** The reservation for this many attempts. */
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

/** Adds up the costs of the attempts at one call. */
export class Bill {
  readonly #price: Price | undefined;
  /** Minimum of the total, for a call that is repeated after a crash: earlier attempts may have spent the reservation. */
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

  /** Total cost; undefined if the tool has no price and reported none. */
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

  /** Cost of one attempt: as the tool reported, else 0 if it had no effect, else the maximum. */
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

/** Whether the attempt had no effect for certain. */
const isIdle = (result: Attempted): boolean => result.kind === 'failed' && result.retryable === true;
