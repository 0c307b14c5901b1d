/** Copied text is found by its shingles (Broder 1997): overlapping pieces of a text of which the spaces and signs were removed. */
import type { Bloom } from './bloom.ts';
import { squeeze } from './text.ts';

/** Letters and digits in one shingle. */
export const SHINGLE = 6;
/** Shingles of one argument that are looked up, spread evenly over it; a short argument has fewer. */
const SAMPLES = 128;

/** Adds all shingles of a squeezed text. */
export function shingle(into: Bloom, squeezed: string): void {
  for (let i = 0; i + SHINGLE <= squeezed.length; i++) into.add(squeezed, i, i + SHINGLE);
}

/** Whether a filter has at least this share of the shingles of a squeezed text. */
export function covered(by: Bloom, squeezed: string, share: number): boolean {
  const all = squeezed.length - SHINGLE + 1;
  if (all <= 0 || by.empty) return false;
  const step = Math.max(1, Math.floor(all / SAMPLES));
  let hits = 0;
  let looked = 0;
  for (let i = 0; i < all; i += step) {
    looked += 1;
    if (by.has(squeezed, i, i + SHINGLE)) hits += 1;
  }
  return hits / looked >= share;
}

/** Whether a filter has all shingles of a text. */
export function hasAll(by: Bloom, one: string): boolean {
  return covered(by, squeeze(one), 1);
}
