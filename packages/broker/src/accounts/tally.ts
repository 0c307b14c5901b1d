/**
 * What a run's own calls change about the accounts above it, as its ledger takes entries in, until the commit that has them takes it
 * along. What it moves to children is no spending: they spend it, each for its own accounts. Where a journal is read back, what this
 * gathers is in the store already.
 */
import { isCharged } from '@corral/protocol/model/cost';
import type { Budget } from '@corral/protocol/model/manifest';
import { dayOf, NO_SPEND, SPEND_NAMES, type DaySpend, type Spend, type SpendName } from '@corral/protocol/model/spend';
import type { Ledger } from '../ledger/ledger.ts';
import type { Later } from '../ledger/pending.ts';

/** A call with what is reserved for it, and the day of which that is; no day: of the purse alone. */
interface Reserved {
  readonly reserved: Budget;
  readonly day?: string;
  /** The part of `reserved` that counts for later days, since a person had the call made again. */
  readonly later?: readonly Later[];
}

/** Makes a budget of the amounts that accounts count. */
const amounts = (of: (name: SpendName) => number): Budget => Object.fromEntries(SPEND_NAMES.map((name) => [name, of(name)]));
const less = (one: Budget, other: Budget) => amounts((name) => (one[name] ?? 0) - (other[name] ?? 0));
const atMost = (one: Budget, most: Budget) => amounts((name) => Math.min(one[name] ?? 0, most[name] ?? 0));

type Sums = { -readonly [K in keyof Spend]: number };

export class Tally {
  #days: Map<string, { readonly spent: Sums; readonly reserved: Sums }> | undefined;

  /** Another one with the same in it. */
  copy(): Tally {
    const copy = new Tally();
    if (this.#days === undefined) return copy;
    copy.#days = new Map();
    for (const [day, { spent, reserved }] of this.#days) copy.#days.set(day, { spent: { ...spent }, reserved: { ...reserved } });
    return copy;
  }

  reserve(day: string | undefined, amounts: Budget): void {
    if (day !== undefined) this.#add(day, {}, amounts, 1);
  }

  /** A call that is made on another day than it was asked for: that day has it reserved, and the one before does not. */
  move(from: string | undefined, to: string, amounts: Budget): void {
    if (from !== undefined) this.#add(from, {}, amounts, -1);
    this.#add(to, {}, amounts, 1);
  }

  /**
   * A call is over.
   * @param spent what it cost, as its purse is billed
   * @param at when its answer came: what was not reserved of a day counts for that of its answer
   */
  settle({ reserved, day, later = [] }: Reserved, spent: Budget, at: number): void {
    let [first, rest] = [reserved, spent];
    for (const one of later) first = less(first, one.reserved);
    // Nobody knows that an earlier attempt cost nothing, so it cost what was reserved for it; what is left was spent by the last one.
    const earlier = [{ reserved: first, ...(day === undefined ? {} : { day }) }, ...later];
    const last = earlier.pop() as Reserved;
    for (const one of earlier) {
      const cost = atMost(rest, one.reserved);
      this.#settle(one, cost, at);
      rest = less(rest, cost);
    }
    this.#settle(last, rest, at);
  }

  #settle({ reserved, day }: Reserved, spent: Budget, at: number): void {
    if (day !== undefined) {
      this.#add(day, {}, reserved, -1);
      this.#add(day, spent, {}, 1);
      return;
    }
    const { tokens = 0, money_micros = 0 } = spent;
    if (tokens !== 0 || money_micros !== 0) this.#add(dayOf(at), { tokens, money_micros }, {}, 1);
  }

  /** What was spent and reserved of a day, less what came back, since the last commit was handed over. */
  committedOn(day: string): Spend {
    const sums = this.#days?.get(day);
    if (sums === undefined) return NO_SPEND;
    const { spent, reserved } = sums;
    return {
      money_micros: spent.money_micros + reserved.money_micros,
      tokens: spent.tokens + reserved.tokens,
      calls: spent.calls + reserved.calls,
    };
  }

  get isEmpty(): boolean {
    return this.#days === undefined;
  }

  /** All of it; it counts from nothing again. */
  take(): readonly DaySpend[] {
    if (this.#days === undefined) return [];
    const days = [...this.#days].map(([day, sums]) => ({ day, ...sums }));
    this.#days = undefined;
    return days;
  }

  #add(day: string, spent: Budget, reserved: Budget, sign: 1 | -1): void {
    this.#days ??= new Map();
    let sums = this.#days.get(day);
    if (sums === undefined) this.#days.set(day, (sums = { spent: { ...NO_SPEND }, reserved: { ...NO_SPEND } }));
    for (const name of SPEND_NAMES) {
      sums.spent[name] += sign * (spent[name] ?? 0);
      sums.reserved[name] += sign * (reserved[name] ?? 0);
    }
  }
}

/**
 * The run is over. A call of which nobody will know any more costs all that it might have; what waited for people costs its attempt;
 * what never left costs nothing.
 * @param unsent calls that this commit holds and that do not leave
 */
export function closeTally({ pending, tally, lastAt }: Ledger, unsent: ReadonlySet<number>): void {
  for (const one of pending.values()) {
    if (one.kind === 'approval') tally.settle(one.call, { calls: Math.min(1, one.call.reserved.calls ?? 0) }, lastAt);
    else if (one.kind === 'request' || (one.kind === 'call' && !unsent.has(one.id))) tally.settle(one, one.reserved, lastAt);
    else if (one.kind === 'call') tally.settle(one, {}, lastAt);
  }
}

/**
 * Takes out of a fork's books what belongs to its origin: the reservations in the accounts, what people said about the origin's calls, and
 * what the purse reserved for a call under way. The fork reserves that amount again if it makes the call itself.
 * @param anew false for a fork of an older host, which counted what people had said
 * @param own false for one of an older host, which paid for calls of its origin
 */
export function disown({ pending, purse }: Ledger, anew: boolean, own: boolean): void {
  for (const one of pending.values())
    if (one.kind === 'approval') {
      delete one.call.day;
      if (anew) pending.set(one.id, { ...one, by: [] });
    } else if (one.kind === 'request') delete one.day;
    else if (one.kind === 'call') {
      const { day: _, later: __, retried, reserved, inherited, ...call } = one;
      if (own) {
        purse.settle(reserved, {});
        pending.set(one.id, { ...call, reserved: {}, inherited: { price: inherited?.price ?? ofOneTry(reserved, retried) } });
      } else pending.set(one.id, { ...call, reserved, ...(retried === undefined ? {} : { retried }), inherited: {} });
    }
}

/** What was reserved for a call each time that it was to be made. */
const ofOneTry = (reserved: Budget, retried = 0): Budget =>
  Object.fromEntries(
    Object.entries(reserved).map(([name, amount]) => [name, isCharged(name) ? Math.ceil(amount / (retried + 1)) : amount]),
  );
