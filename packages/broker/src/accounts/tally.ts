/**
 * The changes that a run's calls make to the accounts above it, gathered while the ledger applies entries, until the next commit takes
 * them. Amounts moved to children do not count: the children spend them, from their own accounts. When a journal is read back, the
 * gathered changes are dropped, because the store has them.
 */
import { isCharged } from '@corral/protocol/model/cost';
import type { Budget } from '@corral/protocol/model/manifest';
import { dayOf, NO_SPEND, SPEND_NAMES, type DayChange, type Spend, type SpendName } from '@corral/protocol/model/spend';
import type { Purse } from '@corral/policy/capability/purse';
import { asUnderWay, type Later, type Pending } from '../ledger/pending.ts';

/** The part of a run's books that this changes. */
interface Settling {
  readonly pending: Map<number, Pending>;
  readonly purse: Purse;
  readonly tally: Tally;
  readonly lastAt: number;
}

/** A call's reservation and the day to which it belongs; without a day only the purse has it. */
interface Reserved {
  readonly reserved: Budget;
  readonly day?: string;
  /** Parts of `reserved` that belong to later days, because a person had the call made again. */
  readonly later?: readonly Later[];
  /** The tool that is called. */
  readonly tool?: string;
  /** In place of `tool`: what a request asks, such as `service:claims`. */
  readonly what?: string;
}

/** A budget with only those amounts that accounts count. */
const amounts = (of: (name: SpendName) => number): Budget => Object.fromEntries(SPEND_NAMES.map((name) => [name, of(name)]));
const less = (one: Budget, other: Budget) => amounts((name) => (one[name] ?? 0) - (other[name] ?? 0));
const atMost = (one: Budget, most: Budget) => amounts((name) => Math.min(one[name] ?? 0, most[name] ?? 0));

type Sums = { -readonly [K in keyof Spend]: number };
interface Day {
  readonly spent: Sums;
  readonly reserved: Sums;
  readonly asked: Sums;
  /** The part of `spent` that each tool cost. */
  readonly tools: Map<string, Sums>;
}

export class Tally {
  #days: Map<string, Day> | undefined;

  /** A copy. */
  copy(): Tally {
    const copy = new Tally();
    if (this.#days === undefined) return copy;
    copy.#days = new Map();
    for (const [day, { spent, reserved, asked, tools }] of this.#days)
      copy.#days.set(day, {
        spent: { ...spent },
        reserved: { ...reserved },
        asked: { ...asked },
        tools: new Map(Array.from(tools, ([tool, of]) => [tool, { ...of }])),
      });
    return copy;
  }

  reserve(day: string | undefined, amounts: Budget): void {
    if (day === undefined) return;
    this.#add(day, {}, amounts, 1);
    this.#ask(day, amounts);
  }

  /** Moves the reservation of a call that is made on a later day than it was decided. */
  move(from: string | undefined, to: string, amounts: Budget): void {
    if (from !== undefined) this.#add(from, {}, amounts, -1);
    this.#add(to, {}, amounts, 1);
    this.#ask(to, amounts);
  }

  /**
   * Settles a call that is over.
   * @param spent the cost that its purse is billed
   * @param at time of the answer; what was not reserved for a day counts for the day of the answer
   */
  settle({ reserved, day, later = [], tool, what }: Reserved, spent: Budget, at: number): void {
    const of = tool ?? what ?? '';
    let [first, rest] = [reserved, spent];
    for (const one of later) first = less(first, one.reserved);
    // Earlier attempts may have been paid, so each costs what was reserved for it; the last one costs the remainder.
    const earlier = [{ reserved: first, ...(day === undefined ? {} : { day }) }, ...later];
    const last = earlier.pop() as Reserved;
    for (const one of earlier) {
      const cost = atMost(rest, one.reserved);
      this.#settle(one, cost, at, of);
      rest = less(rest, cost);
    }
    this.#settle(last, rest, at, of);
  }

  #settle({ reserved, day }: Reserved, spent: Budget, at: number, tool: string): void {
    if (day !== undefined) {
      this.#add(day, {}, reserved, -1);
      this.#spend(day, spent, tool);
      return;
    }
    const { tokens = 0, money_micros = 0 } = spent;
    if (tokens !== 0 || money_micros !== 0) this.#spend(dayOf(at), { tokens, money_micros }, tool);
  }

  #spend(day: string, spent: Budget, tool: string): void {
    const { tools } = this.#add(day, spent, {}, 1);
    let sums = tools.get(tool);
    if (sums === undefined) tools.set(tool, (sums = { ...NO_SPEND }));
    for (const name of SPEND_NAMES) sums[name] += spent[name] ?? 0;
  }

  /** Spent and reserved for a day since the last commit took the changes. */
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

  /** All changes, by day. */
  days(): readonly DayChange[] {
    return [...(this.#days ?? [])].map(([day, { spent, reserved, tools }]) => ({
      day,
      spent,
      reserved,
      tools: Array.from(tools, ([tool, of]) => ({ tool, spent: of })),
    }));
  }

  /** The amounts that decisions have reserved, by day, without what was given back: accounts must be able to pay these. */
  asked(): readonly { readonly day: string; readonly amounts: Spend }[] {
    return [...(this.#days ?? [])].map(([day, { asked }]) => ({ day, amounts: asked }));
  }

  /** Returns all changes and starts again from nothing. */
  take(): readonly DayChange[] {
    const days = this.days();
    this.#days = undefined;
    return days;
  }

  #add(day: string, spent: Budget, reserved: Budget, sign: 1 | -1): Day {
    this.#days ??= new Map();
    let sums = this.#days.get(day);
    if (sums === undefined)
      this.#days.set(day, (sums = { spent: { ...NO_SPEND }, reserved: { ...NO_SPEND }, asked: { ...NO_SPEND }, tools: new Map() }));
    for (const name of SPEND_NAMES) {
      sums.spent[name] += sign * (spent[name] ?? 0);
      sums.reserved[name] += sign * (reserved[name] ?? 0);
    }
    return sums;
  }

  /** To be called after `#add`. */
  #ask(day: string, amounts: Budget): void {
    const sums = this.#days?.get(day);
    if (sums !== undefined) for (const name of SPEND_NAMES) sums.asked[name] += amounts[name] ?? 0;
  }
}

/**
 * Settles everything that is open when the run ends. A call of unknown result costs all that is reserved; a call that waits for approval
 * costs only its attempt; a call that was never sent costs nothing.
 * @param unsent calls in this commit that are not sent
 */
export function closeTally({ pending, tally, lastAt }: Settling, unsent: ReadonlySet<number>): void {
  for (const one of pending.values()) {
    if (one.kind === 'approval') tally.settle(one.call, { calls: Math.min(1, one.call.reserved.calls ?? 0) }, lastAt);
    else if (one.kind === 'request' || (one.kind === 'call' && !unsent.has(one.id))) tally.settle(one, one.reserved, lastAt);
    else if (one.kind === 'call') tally.settle(one, {}, lastAt);
  }
}

/**
 * Removes from a fork's ledger what belongs to its origin: reservations in the accounts, people's verdicts on the origin's calls, and
 * what the purse reserved for calls under way. The fork reserves that amount again if it makes the call itself.
 * @param fresh false for a fork made by an older host, in which verdicts still counted
 * @param own false for a fork made by an older host, which paid for calls of its origin
 */
export function disown(ledger: Settling & { inFlight: number }, fresh: boolean, own: boolean): void {
  const { pending, purse } = ledger;
  for (const found of pending.values()) {
    // The call has left, and its tool waits for an answer to the origin's call.
    const one = asUnderWay(ledger, found) ?? found;
    if (one.kind === 'approval') {
      delete one.call.day;
      if (fresh) pending.set(one.id, { ...one, by: [] });
    } else if (one.kind === 'request') delete one.day;
    else if (one.kind === 'call') {
      const { day: _, later: __, retried, reserved, inherited, ...call } = one;
      if (own) {
        purse.settle(reserved, {});
        pending.set(one.id, { ...call, reserved: {}, inherited: { price: inherited?.price ?? ofOneTry(reserved, retried) } });
      } else pending.set(one.id, { ...call, reserved, ...(retried === undefined ? {} : { retried }), inherited: {} });
    }
  }
}

/** The reservation for one of the times that a call was made. */
const ofOneTry = (reserved: Budget, retried = 0): Budget =>
  Object.fromEntries(
    Object.entries(reserved).map(([name, amount]) => [name, isCharged(name) ? Math.ceil(amount / (retried + 1)) : amount]),
  );
