/** A queue in which tenants take turns: within one, first in, first out; how many of one wait delays nobody else by more than one each. */
export class Rota<T> {
  /** Whose turn is next comes first. */
  readonly #of = new Map<string, T[]>();

  /** How many of one wait. */
  waiting(who: string): number {
    return this.#of.get(who)?.length ?? 0;
  }

  push(who: string, item: T): void {
    const line = this.#of.get(who);
    if (line === undefined) this.#of.set(who, [item]);
    else line.push(item);
  }

  /**
   * Takes the next one.
   * @param may whether something of this one may go on now
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

  /** Takes all. */
  splice(): T[] {
    const all = [...this.#of.values()].flat();
    this.#of.clear();
    return all;
  }
}
