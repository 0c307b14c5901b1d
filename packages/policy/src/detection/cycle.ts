/**
 * Finds a period in a stream of symbols while it arrives. As in Lempel-Ziv matching, a pointer follows the stream at a distance; as long
 * as the symbol at the pointer equals the new one, the distance is the period. A symbol that differs lowers the count of matches but
 * keeps the pointer. Constant time for each symbol, except when a new distance is searched.
 */

/** Number of remembered symbols. Periods up to half of it are found. */
const RING = 128;
/** After this many differing symbols in a row the pointer is dropped. */
const STRANGERS_MAX = 3;

export interface Period {
  /** Number of symbols in one turn. */
  readonly period: number;
  /** Number of symbols that matched since the pointer was set, less the penalty for differing ones. */
  readonly matched: number;
}

export class Cycle {
  readonly #ring = new Int32Array(RING);
  #length = 0;
  /** Position of the symbol to compare the next one with; -1: none. */
  #pointer = -1;
  #matched = 0;
  #strangers = 0;

  /** Takes a symbol. @returns whether it was the expected one */
  take(symbol: number): boolean {
    const at = this.#length++;
    let foretold = false;
    if (this.#pointer >= 0 && at - this.#pointer < RING) {
      if (this.#at(this.#pointer) === symbol) foretold = true;
      // The symbol at the pointer was the odd one; the new symbol equals the one after it.
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

  /** The latest position of a symbol before `at` within the ring; -1 if there is none. */
  #last(symbol: number, at: number): number {
    const oldest = Math.max(0, at - RING + 1);
    for (let position = at - 1; position >= oldest; position--) if (this.#ring[position % RING] === symbol) return position;
    return -1;
  }

  save(): readonly [number, number, number, number, string] {
    // Oldest first, so that only the used part of the ring is written.
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
