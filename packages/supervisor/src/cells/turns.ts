/**
 * The order in which runs get a cell. Runs in a cell go before runs that have to be brought in, and among the latter, runs that have begun
 * go before new ones, so that accepted work is finished before more is accepted. Every few times the order is reversed, so that no run
 * starves.
 */
import type { TenantId } from '@corral/protocol/ids';
import { tenantOf, type Household } from './household.ts';

/** A queue, first in, first out. Taking the first item takes constant time (amortized), and keeps nothing of it. */
export class Line<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  get first(): T | undefined {
    return this.#items[this.#first];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  unshift(item: T): void {
    if (this.#first === 0) this.#items.unshift(item);
    else {
      this.#first -= 1;
      this.#items[this.#first] = item;
    }
  }

  shift(): T | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    // Else an item stays in the heap until others push it out: a run that has ended, with all that it held.
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first > 64 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** Takes the first item that may go, if it is among the first few. */
  take(may: (item: T) => boolean): T | undefined {
    const passed: T[] = [];
    while (this.length > 0 && passed.length < LOOK) {
      const item = this.shift() as T;
      if (!may(item)) {
        passed.push(item);
        continue;
      }
      for (const one of passed.reverse()) this.unshift(one);
      return item;
    }
    for (const one of passed.reverse()) this.unshift(one);
    return undefined;
  }

  /** Removes and returns all items. */
  splice(): T[] {
    const items = this.#items.slice(this.#first) as T[];
    this.#items = [];
    this.#first = 0;
    return items;
  }
}

/** Items of a line that are looked at for one that may go before those in front of it. */
const LOOK = 8;
/** Number of times in a row that the preferred kind goes first while the other waits. */
const PATIENCE = 4;

/** Prefers the first of two kinds, but lets the second go after PATIENCE times. */
export class Turns {
  #passed = 0;

  /** Whether it is the second kind's turn, if both wait. */
  get isSeconds(): boolean {
    return this.#passed >= PATIENCE;
  }

  first(othersWait: boolean): void {
    this.#passed = othersWait ? this.#passed + 1 : 0;
  }

  second(): void {
    this.#passed = 0;
  }
}

/** Runs of one household that wait to be brought into one of its cells. */
export class Arrivals<T> {
  /** Runs that have begun: they are brought back by replay, or go on after a checkpoint. */
  readonly returning = new Line<T>();
  readonly fresh = new Line<T>();
  readonly #turns = new Turns();

  get length(): number {
    return this.returning.length + this.fresh.length;
  }

  /**
   * @param mayReturn whether one more may be brought back now
   * @param mayBegin whether this one may begin where there is room now
   * @returns undefined if no run may be brought in now
   */
  next(mayReturn: boolean, mayBegin: (one: T) => boolean = () => true): T | undefined {
    const fresh = this.returning.length === 0 || this.#turns.isSeconds ? this.fresh.take(mayBegin) : undefined;
    if (fresh !== undefined) {
      this.#turns.second();
      return fresh;
    }
    if (this.returning.length === 0 || !mayReturn) return undefined;
    this.#turns.first(this.fresh.length > 0);
    return this.returning.shift();
  }
}

/** Runs that wait to be brought into a cell, by household. */
export class Waiting<T> {
  readonly #of = new Map<Household, Arrivals<T>>();

  /** @param isFresh whether the run has not begun */
  arrive(household: Household, one: T, isFresh: boolean): void {
    const arrivals = this.#of.get(household) ?? new Arrivals<T>();
    // Those that began to wait first are served first: a household whose cell was taken away comes after the one that got it.
    if (arrivals.length === 0) this.#of.delete(household);
    this.#of.set(household, arrivals);
    (isFresh ? arrivals.fresh : arrivals.returning).push(one);
  }

  get(household: Household): Arrivals<T> | undefined {
    return this.#of.get(household);
  }

  has(household: Household): boolean {
    return (this.#of.get(household)?.length ?? 0) > 0;
  }

  /** Households that have a run waiting. @param tidy removes the others from the table */
  *households(tidy = false): Generator<Household> {
    for (const [household, { length }] of this.#of)
      if (length > 0) yield household;
      else if (tidy) this.#of.delete(household);
  }

  /**
   * Whether a tenant that has cells must leave a free one to a tenant that waits and has none: else it would take back the cell that it
   * just gave up.
   */
  mustYield(tenant: TenantId, held: ReadonlyMap<TenantId, number>): boolean {
    if (!held.has(tenant)) return false;
    for (const other of this.households()) if (!held.has(tenantOf(other))) return true;
    return false;
  }
}
