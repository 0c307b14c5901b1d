/**
 * A set of shingles in small, bounded memory (a Bloom filter). It may report a member that was never added, which costs an
 * approval, but never misses one that was. It grows by blocks up to a limit; beyond that it reports `full`, and its owner must
 * then treat everything as a member.
 */
import { hash2 } from './text.ts';

const FIRST_BITS = 1 << 14;
const LAST_BITS = 1 << 20;
/** Bits for each member: with five probes, 0.9 % of non-members are reported as members by a full block. */
const BITS_EACH = 10;
const PROBES = 5;
/** Factor by which each block is larger than the one before; few blocks need few lookups. */
const GROWTH = 4;

interface Block {
  readonly bits: Uint32Array;
  readonly mask: number;
  readonly room: number;
  used: number;
}

/** State for `undo`. Only the block that was the last one at `begin` can have changed; blocks behind it are new. */
interface Trial {
  readonly blocks: number;
  readonly last: Block | undefined;
  readonly used: number;
  readonly full: boolean;
  /** Changed words of that block, each as its index and its old value. */
  words: number[] | undefined;
  /** A copy of the whole block, once the list of changed words would be larger. */
  bits: Uint32Array | undefined;
}

const block = (bits: number): Block => ({ bits: new Uint32Array(bits / 32), mask: bits - 1, room: Math.floor(bits / BITS_EACH), used: 0 });

export class Bloom {
  readonly #blocks: Block[] = [];
  #full = false;
  #trial: Trial | undefined;

  /** Whether a member was left out: from then on a `false` of has() means nothing. */
  get full(): boolean {
    return this.#full;
  }

  get empty(): boolean {
    return this.#blocks.length === 0;
  }

  /** Bytes in use; never more than 4/3 of LAST_BITS / 8, which is 171 KiB. */
  get bytes(): number {
    return this.#blocks.reduce((sum, one) => sum + one.bits.byteLength, 0);
  }

  add(text: string, from: number, to: number): void {
    const [a, b] = hash2(text, from, to);
    if (this.#hit(a, b)) return;
    let last = this.#blocks.at(-1);
    if (last === undefined || last.used >= last.room) {
      const next = last === undefined ? FIRST_BITS : last.bits.length * 32 * GROWTH;
      if (next > LAST_BITS) {
        this.#full = true;
        return;
      }
      last = block(next);
      this.#blocks.push(last);
    }
    last.used += 1;
    const noted = this.#trial?.last === last && this.#trial.bits === undefined ? this.#trial : undefined;
    for (let i = 0; i < PROBES; i++) {
      const at = (a + Math.imul(i, b | 1)) & last.mask;
      if (noted !== undefined) (noted.words ??= []).push(at >>> 5, last.bits[at >>> 5] as number);
      last.bits[at >>> 5] = (last.bits[at >>> 5] as number) | (1 << (at & 31));
    }
    if (noted !== undefined) compact(noted);
  }

  /** Additions from here on can be undone, until `keep` or `undo` is called. */
  begin(): void {
    const last = this.#blocks.at(-1);
    this.#trial = { blocks: this.#blocks.length, last, used: last?.used ?? 0, full: this.#full, words: undefined, bits: undefined };
  }

  /** Keeps the additions; they can no longer be undone. */
  keep(): void {
    this.#trial = undefined;
  }

  /** Restores the state at `begin`, to the bit. */
  undo(): void {
    const trial = this.#trial;
    if (trial === undefined) return;
    this.#trial = undefined;
    const { last, bits } = trial;
    this.#blocks.length = trial.blocks;
    this.#full = trial.full;
    if (last === undefined) return;
    last.used = trial.used;
    if (bits !== undefined) last.bits.set(bits);
    else if (trial.words !== undefined) revert(last.bits, trial.words);
  }

  has(text: string, from: number, to: number): boolean {
    const [a, b] = hash2(text, from, to);
    return this.#hit(a, b);
  }

  #hit(a: number, b: number): boolean {
    // Starts with the newest block, which is the largest and the most likely to have a member.
    for (let one = this.#blocks.length - 1; one >= 0; one--) {
      const { bits, mask } = this.#blocks[one] as Block;
      let all = true;
      for (let i = 0; all && i < PROBES; i++) {
        const at = (a + Math.imul(i, b | 1)) & mask;
        all = ((bits[at >>> 5] as number) & (1 << (at & 31))) !== 0;
      }
      if (all) return true;
    }
    return false;
  }
}

function compact(trial: Trial): void {
  const { last, words } = trial;
  if (last === undefined || words === undefined || words.length <= last.bits.length) return;
  trial.bits = last.bits.slice();
  revert(trial.bits, words);
  trial.words = undefined;
}

function revert(bits: Uint32Array, words: readonly number[]): void {
  for (let i = words.length - 2; i >= 0; i -= 2) bits[words[i] as number] = words[i + 1] as number;
}
