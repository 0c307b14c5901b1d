/**
 * A map that knows what its values take in memory. A value is weighed when the sum is asked for, and once; most are gone by then. Drafts of
 * it are counted once they are adopted.
 */
export class WeighedMap<K, V> extends Map<K, V> {
  readonly #weigh: (value: V) => number;
  readonly #weights = new Map<K, number>();
  readonly #unweighed = new Set<K>();
  #bytes = 0;

  constructor(weigh: (value: V) => number) {
    super();
    this.#weigh = weigh;
  }

  /** Approximate bytes of all values. */
  get bytes(): number {
    for (const key of this.#unweighed) {
      const weight = this.#weigh(super.get(key) as V);
      this.#bytes += weight;
      this.#weights.set(key, weight);
    }
    this.#unweighed.clear();
    return this.#bytes;
  }

  override set(key: K, value: V): this {
    this.#forget(key);
    this.#unweighed.add(key);
    return super.set(key, value);
  }

  override delete(key: K): boolean {
    this.#forget(key);
    this.#unweighed.delete(key);
    return super.delete(key);
  }

  override clear(): void {
    this.#bytes = 0;
    this.#weights.clear();
    this.#unweighed.clear();
    super.clear();
  }

  #forget(key: K): void {
    this.#bytes -= this.#weights.get(key) ?? 0;
    this.#weights.delete(key);
  }
}
