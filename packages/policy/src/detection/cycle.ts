/**
 * Finds a period of any length while it happens. As in Lempel-Ziv matching, a pointer follows the stream at a distance:
 * as long as what comes is what came there, the distance is the period. A strange symbol between (noise) costs some
 * trust and not the pointer. Constant time a symbol, but for finding a new distance among the remembered.
 */

/** How many symbols are remembered; periods up to half of it are seen. */
const RING = 128;
/** Strangers in a row after which the pointer is given up. */
const STRANGERS_MAX = 3;

export interface Period {
  /** Symbols from one turn to the next. */
  readonly period: number;
  /** Symbols that came as foretold since the pointer was set, less what strangers cost. */
  readonly matched: number;
}

export class Cycle {
  readonly #ring = new Int32Array(RING);
  #length = 0;
  /** Position that the next symbol is compared with; -1: none. */
  #pointer = -1;
  #matched = 0;
  #strangers = 0;

  /** Whether the symbol just taken was foretold; the period so far is in `period`. */
  take(symbol: number): boolean {
    const at = this.#length++;
    let foretold = false;
    if (this.#pointer >= 0 && at - this.#pointer < RING) {
      if (this.#at(this.#pointer) === symbol) foretold = true;
      // What stood there was the stranger: the one after it counts.
      else if (this.#pointer + 1 < at && this.#at(this.#pointer + 1) === symbol) {
        foretold = true;
        this.#pointer++;
        this.#matched--;
      }
    } else this.#pointer = -1;
    if (foretold) {
      this.#matched++;
      this.#pointer++;
      this.#strangers = 0;
    } else {
      const last = this.#last(symbol, at);
      if (this.#pointer >= 0 && ++this.#strangers < STRANGERS_MAX && (last < 0 || this.#matched > 4))
        this.#matched = Math.max(0, this.#matched - 2);
      else {
        this.#pointer = last < 0 ? -1 : last + 1;
        this.#matched = last < 0 ? 0 : 1;
        this.#strangers = 0;
      }
    }
    this.#ring[at % RING] = symbol;
    return foretold;
  }

  get period(): Period | undefined {
    if (this.#pointer < 0 || this.#matched < 1) return undefined;
    return { period: this.#length - this.#pointer, matched: this.#matched };
  }

  #at(position: number): number {
    return this.#ring[position % RING] as number;
  }

  /** The last position of a symbol before `at`, of those that leave room for a period; -1 if there is none. */
  #last(symbol: number, at: number): number {
    const oldest = Math.max(0, at - RING + 1);
    for (let position = at - 1; position >= oldest; position--) if (this.#ring[position % RING] === symbol) return position;
    return -1;
  }

  save(): readonly [number, number, number, number, string] {
    // Oldest first, so that only what was taken is written.
    const size = Math.min(this.#length, RING);
    const text: string[] = [];
    for (let i = this.#length - size; i < this.#length; i++) text.push((this.#at(i) >>> 0).toString(36));
    return [this.#length, this.#pointer, this.#matched, this.#strangers, text.join(',')];
  }

  load([length, pointer, matched, strangers, text]: readonly [number, number, number, number, string]): void {
    this.#length = length;
    this.#pointer = pointer;
    this.#matched = matched;
    this.#strangers = strangers;
    const symbols = text === '' ? [] : text.split(',');
    symbols.forEach((symbol, i) => {
      this.#ring[(length - symbols.length + i) % RING] = Number.parseInt(symbol, 36) | 0;
    });
  }
}
