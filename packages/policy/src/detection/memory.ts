/**
 * A run's memory for wording, in a few KiB for a run of any length: the latest wordings, how often words were used, and which words
 * occurred in results. Plain numbers, so that it can be saved with a checkpoint.
 */
import type { Reading } from './reading.ts';

/** Number of remembered wordings, and of words and word pairs of each. */
export const WORDINGS_MAX = 8;
const WORDS_MAX = 56;
/** Counters of four bits, two in a byte. */
const USED_SLOTS = 4096;
const USED_TIMES = 15;
/** Once this many counters are in use, all are halved, so that words used once long ago are forgotten. */
const USED_FULL = USED_SLOTS * 0.4;

const fresh = new Int32Array(WORDS_MAX);

/** The latest wordings, to find out whether something is said again in other words. */
export class Wordings {
  readonly #words = new Int32Array(WORDINGS_MAX * WORDS_MAX);
  readonly #sizes = new Int32Array(WORDINGS_MAX);
  readonly #subjects = new Int32Array(WORDINGS_MAX);
  /** How often words were used, by hash: words of every wording say little about the similarity of two. */
  readonly #used = new Uint8Array(USED_SLOTS / 2);
  #filled = 0;
  #taken = 0;

  /** Share of the last reading's words that were never used before. */
  novelty = 0;

  /**
   * Similarity to the most similar remembered wording with the same subject, then remembers this one. Weighted Jaccard: the weight of a
   * word is 1 / (times used), similar to inverse document frequency.
   */
  take(subject: number, reading: Reading): number {
    let size = Math.min(WORDS_MAX, reading.count);
    for (let i = 0; i < size; i++) fresh[i] = reading.tokens[i] as number;
    const words = fresh.subarray(0, size).sort();
    size = distinct(words);
    let best = 0;
    for (let slot = 0; slot < Math.min(this.#taken, WORDINGS_MAX); slot++)
      if (this.#subjects[slot] === subject) best = Math.max(best, this.#alike(words, size, slot * WORDS_MAX, this.#sizes[slot] as number));
    let unused = 0;
    // Some new words share a counter with a used one and look used; their share is that of the counters in use.
    const really = 1 - this.#filled / USED_SLOTS;
    for (let i = 0; i < size; i++) if (this.#use(words[i] as number)) unused++;
    this.novelty = size === 0 ? 0 : Math.min(1, unused / size / really);
    if (this.#filled > USED_FULL) this.#halve();
    const slot = this.#taken++ % WORDINGS_MAX;
    this.#words.set(words.subarray(0, size), slot * WORDS_MAX);
    this.#sizes[slot] = size;
    this.#subjects[slot] = subject;
    return best;
  }

  #times(word: number): number {
    const slot = word & (USED_SLOTS - 1);
    return ((this.#used[slot >> 1] as number) >> ((slot & 1) * 4)) & USED_TIMES;
  }

  /** Counts a use of a word. @returns whether it is the first */
  #use(word: number): boolean {
    const times = this.#times(word);
    const slot = word & (USED_SLOTS - 1);
    if (times < USED_TIMES) this.#used[slot >> 1] = (this.#used[slot >> 1] as number) + (1 << ((slot & 1) * 4));
    if (times === 0) this.#filled++;
    return times === 0;
  }

  #halve(): void {
    this.#filled = 0;
    for (let i = 0; i < this.#used.length; i++) {
      const halved = ((this.#used[i] as number) >> 1) & 0x77;
      this.#used[i] = halved;
      if ((halved & 0x0f) !== 0) this.#filled++;
      if ((halved & 0xf0) !== 0) this.#filled++;
    }
  }

  #alike(words: Int32Array, size: number, at: number, otherSize: number): number {
    let common = 0;
    let all = 0;
    let i = 0;
    let j = 0;
    while (i < size || j < otherSize) {
      const x = i < size ? (words[i] as number) : 0x7fff_ffff;
      const y = j < otherSize ? (this.#words[at + j] as number) : 0x7fff_ffff;
      const weight = 1 / (1 + this.#times(x < y ? x : y));
      all += weight;
      if (x === y) common += weight;
      if (x <= y) i++;
      if (y <= x) j++;
    }
    return all === 0 ? 0 : common / all;
  }

  save(): unknown {
    return [this.#taken, this.#filled, pack(this.#words), pack(this.#sizes), pack(this.#subjects), pack(this.#used)];
  }

  load(saved: unknown): void {
    const [taken, filled, words, sizes, subjects, used] = saved as [number, number, string, string, string, string];
    this.#taken = taken;
    this.#filled = filled;
    unpack(words, this.#words);
    unpack(sizes, this.#sizes);
    unpack(subjects, this.#subjects);
    unpack(used, this.#used);
  }
}

/** Moves the distinct values of a sorted array to its front. @returns their number */
function distinct(sorted: Int32Array): number {
  let size = 0;
  for (const value of sorted) if (size === 0 || sorted[size - 1] !== value) sorted[size++] = value;
  return size;
}

const BITS = 8192;
/** A generation is full with this many bits set: with more, too many new words would look known. */
const FULL = BITS / 5;

/**
 * The words that occurred in results, in two generations of a Bloom filter: when the newer one is full, it replaces the older one, so the
 * oldest words are forgotten first.
 */
export class Known {
  #now = new Uint32Array(BITS / 32);
  #old = new Uint32Array(BITS / 32);
  #filled = 0;
  #oldFilled = 0;

  /** Share of the reading's words that no earlier result had; NaN for an empty reading. Then remembers them. */
  take(reading: Reading): number {
    let unseen = 0;
    const { count, tokens } = reading;
    const really = (1 - this.#filled / BITS) * (1 - this.#oldFilled / BITS);
    for (let i = 0; i < count; i++) {
      const h = tokens[i] as number;
      const word = (h >>> 5) & (BITS / 32 - 1);
      const bit = 1 << (h & 31);
      if (((this.#now[word] as number) & bit) !== 0) continue;
      if (((this.#old[word] as number) & bit) === 0) unseen++;
      this.#now[word] = (this.#now[word] as number) | bit;
      this.#filled++;
    }
    if (this.#filled > FULL) {
      [this.#now, this.#old] = [this.#old, this.#now];
      this.#now.fill(0);
      this.#oldFilled = this.#filled;
      this.#filled = 0;
    }
    return count === 0 ? Number.NaN : Math.min(1, unseen / count / really);
  }

  save(): unknown {
    return [this.#filled, this.#oldFilled, pack(this.#now), pack(this.#old)];
  }

  load(saved: unknown): void {
    const [filled, oldFilled, now, old] = saved as [number, number, string, string];
    this.#filled = filled;
    this.#oldFilled = oldFilled;
    unpack(now, this.#now);
    unpack(old, this.#old);
  }
}

/** Writes numbers as text: base 36 after a comma, and runs of zeros as their length after a point. Short if most are zero. */
export function pack(values: Uint32Array | Int32Array | Uint8Array): string {
  let text = '';
  let zeros = 0;
  for (const value of values) {
    if (value === 0) {
      zeros++;
      continue;
    }
    text += `${zeros > 0 ? `.${zeros.toString(36)}` : ''},${(value >>> 0).toString(36)}`;
    zeros = 0;
  }
  return text;
}

/** The inverse of `pack`. */
export function unpack(text: string, into: Uint32Array | Int32Array | Uint8Array): void {
  into.fill(0);
  let at = 0;
  for (const [, mark, digits] of text.matchAll(/([.,])([0-9a-z]+)/g)) {
    const value = Number.parseInt(digits as string, 36);
    if (mark === '.') at += value;
    else if (at < into.length) into[at++] = value | 0;
  }
}
