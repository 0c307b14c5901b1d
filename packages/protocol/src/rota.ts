/**
 * A queue in which tenants take turns. Within a tenant: first in, first out; a tenant with many items delays each other tenant by
 * at most one item at a time.
 */
export class Rota<T> {
  /** In the order of turns; the next tenant first. */
  readonly #of = new Map<string, T[]>();

  get isEmpty(): boolean {
    return this.#of.size === 0;
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
   * Takes the next item.
   * @param may whether an item of this tenant may be taken now
   */
  next(may: (who: string) => boolean = () => true): { readonly who: string; readonly item: T } | undefined {
    for (const [who, line] of this.#of) {
      if (!may(who)) continue;
      const item = line.shift() as T;
      this.#of.delete(who);
      if (line.length > 0) this.#of.set(who, line);
      return { who, item };
    }
    return undefined;
  }

  /** Takes all items. */
  splice(): T[] {
    const all = [...this.#of.values()].flat();
    this.#of.clear();
    return all;
  }
}
