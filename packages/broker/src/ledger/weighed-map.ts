/** A map that knows what its values take in memory. Drafts of it are counted once they are adopted. */
export class WeighedMap<K, V> extends Map<K, V> {
  readonly #weigh: (value: V) => number;
  readonly #weights = new Map<K, number>();
  #bytes = 0;

  constructor(weigh: (value: V) => number) {
    super();
    this.#weigh = weigh;
  }

  /** Approximate bytes of all values. */
  get bytes(): number {
    return this.#bytes;
  }

  override set(key: K, value: V): this {
    const weight = this.#weigh(value);
    this.#bytes += weight - (this.#weights.get(key) ?? 0);
    if (weight > 0) this.#weights.set(key, weight);
    else this.#weights.delete(key);
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    this.#bytes -= this.#weights.get(key) ?? 0;
    this.#weights.delete(key);
    return super.delete(key);
  }

  override clear(): void {
    this.#bytes = 0;
    this.#weights.clear();
    super.clear();
  }
}
