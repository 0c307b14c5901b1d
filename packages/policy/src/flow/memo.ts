/** Answers of a pure function, kept for the names that come again and again. Bounded: when it is full it begins anew. */
export class Memo<T> {
  readonly #known = new Map<string, T>();
  readonly #most: number;
  readonly #make: (name: string) => T;

  /** @param most names at once; longer ones than 256 characters are never kept */
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
