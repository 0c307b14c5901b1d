/** The texts of private results that a run has read, as shingles: whether an argument carries words or identifiers of them. */
import { Bloom } from './bloom.ts';
import type { Leaf } from './leaves.ts';
import { covered, hasAll, shingle } from './shingles.ts';
import { fold, squeeze } from './text.ts';
import { PROVENANCE } from './trace.ts';

/** Share of an argument's shingles that must be known for it to carry private text. */
const CARRIED = 0.2;

export class PrivateTexts {
  readonly #texts = new Bloom();
  /** Something did not fit, so that everything unknown counts as private. */
  #full = false;
  #before = false;

  get full(): boolean {
    return this.#full;
  }
  get any(): boolean {
    return this.#full || !this.#texts.empty;
  }
  get bytes(): number {
    return this.#texts.bytes;
  }

  add(leaves: readonly Leaf[], complete: boolean): void {
    let room: number = PROVENANCE.result_chars;
    if (!complete) this.#full = true;
    for (const leaf of leaves) {
      const raw = String(leaf.value);
      if (raw.length > room) this.#full = true;
      const text = fold(raw.slice(0, Math.max(0, room)));
      room -= raw.length;
      shingle(this.#texts, squeeze(text));
    }
  }

  /** @param identifiers in the argument */
  isIn(squeezed: string, identifiers: readonly string[]): boolean {
    return covered(this.#texts, squeezed, CARRIED) || identifiers.some((one) => hasAll(this.#texts, one));
  }

  /** Additions from here on can be undone, until `keep` or `undo` is called. */
  begin(): void {
    this.#before = this.#full;
    this.#texts.begin();
  }
  keep(): void {
    this.#texts.keep();
  }
  undo(): void {
    this.#full = this.#before;
    this.#texts.undo();
  }
}
