/**
 * Whose turn it is. What sits in a cell already goes before what would have to be brought in, and of that, what has begun goes before
 * what has not: work that was taken in drains before more is taken in. Now and then it is the other way round, so that nobody starves.
 */
import type { TenantId } from '@corral/protocol/ids';

/** First in, first out; taking the first costs the same however many wait. */
export class Line<T> {
  #items: T[] = [];
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
    this.#first += 1;
    if (this.#first > 64 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** Takes all. */
  splice(): T[] {
    const items = this.#items.slice(this.#first);
    this.#items = [];
    this.#first = 0;
    return items;
  }
}

/** So often in a row one goes first while another waits. */
const PATIENCE = 4;

/** Lets one of two kinds go first, but not for ever. */
export class Turns {
  #passed = 0;

  /** Whether it is the second one's turn, given that both wait. */
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

/** Runs of one tenant that wait for a place in one of its cells. */
export class Arrivals<T> {
  /** Those that have begun: they are brought back by replay, or go on after a checkpoint. */
  readonly returning = new Line<T>();
  readonly fresh = new Line<T>();
  readonly #turns = new Turns();

  get length(): number {
    return this.returning.length + this.fresh.length;
  }

  /**
   * @param mayReturn whether one more may be brought back now
   * @returns undefined where nobody may come now
   */
  next(mayReturn: boolean): T | undefined {
    if (this.returning.length > 0 && (this.fresh.length === 0 || !this.#turns.isSeconds)) {
      if (!mayReturn) return undefined;
      this.#turns.first(this.fresh.length > 0);
      return this.returning.shift();
    }
    this.#turns.second();
    return this.fresh.shift();
  }
}

/** Who waits for a place in a cell, by tenant. */
export class Waiting<T> {
  readonly #of = new Map<TenantId, Arrivals<T>>();

  /** @param isFresh whether it has nothing to be brought back from */
  arrive(tenant: TenantId, one: T, isFresh: boolean): void {
    const arrivals = this.#of.get(tenant) ?? new Arrivals<T>();
    this.#of.set(tenant, arrivals);
    (isFresh ? arrivals.fresh : arrivals.returning).push(one);
  }

  get(tenant: TenantId): Arrivals<T> | undefined {
    return this.#of.get(tenant);
  }

  has(tenant: TenantId): boolean {
    return (this.#of.get(tenant)?.length ?? 0) > 0;
  }

  /** Tenants of which somebody waits. @param tidy forgets the others on the way */
  *tenants(tidy = false): Generator<TenantId> {
    for (const [tenant, { length }] of this.#of)
      if (length > 0) yield tenant;
      else if (tidy) this.#of.delete(tenant);
  }

  /** Whether a tenant with cells must leave a free place to one that waits and has none: else it would take back what it just gave up. */
  mustYield(tenant: TenantId, held: ReadonlyMap<TenantId, number>): boolean {
    if (!held.has(tenant)) return false;
    for (const other of this.tenants()) if (!held.has(other)) return true;
    return false;
  }
}
