/** Cached results of a pure function, for names that recur. Bounded: when the cache is full, it is emptied. */
export class Memo<T> {
  readonly #known = new Map<string, T>();
  readonly #most: number;
  readonly #make: (name: string) => T;

  /** @param most names at a time; names longer than 256 characters are never cached */
  constructor(most: number, make: (name: string) => T) {
    this.#most = most;
    this.#make = make;
  }

  of(name: string): T {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const made = this.#make(name);
    if (name.length > 256) return made;
    if (this.#known.size >= this.#most) this.#known.clear();
    this.#known.set(name, made);
    return made;
  }
}
