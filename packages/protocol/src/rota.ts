/**
 * A queue in which tenants take turns. Within a tenant: first in, first out. An item counts as one turn, so a tenant with many items
 * delays each other tenant by at most one item at a time. If an item is charged for afterwards, it counts as what it cost: a tenant has
 * further items while its turn is not used up, and misses as many turns as it has used beyond its own (deficit round robin, Shreedhar and
 * Varghese 1995).
 */
export class Rota<T> {
  /** In the order of turns; the next tenant first. */
  readonly #of = new Map<string, T[]>();
  /** The part of its turn that each has left; below 0, the part of its next ones that it has used. */
  readonly #left = new Map<string, number>();
  /** The tenant whose turn it is. */
  #at: string | undefined;

  /** Whether an item waits of a tenant for which this holds. */
  has(may: (who: string) => boolean): boolean {
    return this.#of.keys().some((who) => may(who));
  }

  /** Number of waiting items of a tenant. */
  waiting(who: string): number {
    return this.#of.get(who)?.length ?? 0;
  }

  push(who: string, item: T): void {
    const line = this.#of.get(who);
    if (line === undefined) this.#of.set(who, [item]);
    else line.push(item);
  }

  /**
   * Charges a tenant for the item that it had last, instead of one turn.
   * @param turns its cost; 1 is one turn. Nobody owes anything while no other tenant waits
   */
  charge(who: string, turns: number): void {
    if (this.#of.size === 0 || (this.#of.size === 1 && this.#of.has(who))) this.#left.clear();
    else this.#left.set(who, (this.#left.get(who) ?? 0) + 1 - turns);
  }

  /**
   * Takes the next item.
   * @param may whether an item of this tenant may be taken now
   */
  next(may: (who: string) => boolean = () => true): { readonly who: string; readonly item: T } | undefined {
    const at = this.#at;
    if (at !== undefined && (this.#left.get(at) ?? 0) > 0 && may(at)) {
      const line = this.#of.get(at);
      if (line !== undefined) return this.#take(at, line);
    }
    for (const [who, line] of this.#of) {
      if (!may(who)) continue;
      const left = Math.min(0, this.#left.get(who) ?? 0) + 1;
      this.#left.set(who, left);
      if (left > 0) return this.#take(who, line);
      // It pays with this turn; the loop comes to it again behind the others.
      this.#of.delete(who);
      this.#of.set(who, line);
    }
    return undefined;
  }

  #take(who: string, line: T[]): { readonly who: string; readonly item: T } {
    const item = line.shift() as T;
    this.#at = who;
    this.#of.delete(who);
    if (line.length > 0) this.#of.set(who, line);
    const left = (this.#left.get(who) ?? 0) - 1;
    if (left === 0) this.#left.delete(who);
    else this.#left.set(who, left);
    return { who, item };
  }

  /** Takes all items. */
  splice(): T[] {
    const all = [...this.#of.values()].flat();
    this.#of.clear();
    this.#left.clear();
    return all;
  }
}
