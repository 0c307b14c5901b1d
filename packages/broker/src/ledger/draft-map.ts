/**
 * A map that reads through to another one and keeps its own changes, so that they can be forgotten, or adopted by the other in one
 * step. In both cases the order of the entries is that of a plain map with the same changes: what is folded later has it too.
 */
export class DraftMap<K, V> implements Map<K, V> {
  readonly [Symbol.toStringTag] = 'DraftMap';
  readonly #of: Map<K, V>;
  /** Made with the first change: most cranks leave most of the books alone. */
  #own: Map<K, V> | undefined;
  /** Keys of the other one that were deleted here; one that was set again comes at the end. */
  #gone: Set<K> | undefined;
  /** Keys that the other one does not show: its own new ones, and those that were deleted and set again. */
  #added = 0;

  constructor(of: Map<K, V>) {
    this.#of = of;
  }

  /** Writes the changes into the map that this is a draft of. */
  adopt(): void {
    if (this.#gone !== undefined) for (const key of this.#gone) this.#of.delete(key);
    if (this.#own !== undefined) for (const [key, value] of this.#own) this.#of.set(key, value);
  }

  get size(): number {
    return this.#of.size - (this.#gone?.size ?? 0) + this.#added;
  }

  get(key: K): V | undefined {
    const own = this.#own?.get(key);
    if (own !== undefined || this.#own?.has(key) === true) return own;
    return this.#gone?.has(key) === true ? undefined : this.#of.get(key);
  }

  has(key: K): boolean {
    return this.#own?.has(key) === true || this.#shows(key);
  }

  set(key: K, value: V): this {
    this.#own ??= new Map();
    if (!this.#own.has(key) && !this.#shows(key)) this.#added += 1;
    this.#own.set(key, value);
    return this;
  }

  delete(key: K): boolean {
    const shown = this.#shows(key);
    const own = this.#own?.delete(key) === true;
    if (shown) (this.#gone ??= new Set()).add(key);
    else if (own) this.#added -= 1;
    return own || shown;
  }

  clear(): void {
    this.#own = undefined;
    this.#added = 0;
    this.#gone = new Set(this.#of.keys());
  }

  *entries(): MapIterator<[K, V]> {
    const own = this.#own;
    for (const [key, value] of this.#of) if (this.#shows(key)) yield [key, own?.has(key) === true ? (own.get(key) as V) : value];
    if (own !== undefined) for (const entry of own) if (!this.#shows(entry[0])) yield entry;
  }

  *keys(): MapIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  forEach(each: (value: V, key: K, map: Map<K, V>) => void): void {
    for (const [key, value] of this.entries()) each(value, key, this);
  }

  /** Whether the other one has the key, and it was not deleted here. */
  #shows(key: K): boolean {
    return this.#of.has(key) && this.#gone?.has(key) !== true;
  }
}
