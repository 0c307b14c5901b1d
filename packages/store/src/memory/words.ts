/**
 * Words of a text as keyed hashes, so that an index over them holds no text: equal words of one space have equal hashes, and no word of another
 * space has one of them. A word is a run of letters and digits, without case and accents.
 */
import { createHmac } from 'node:crypto';

/** Words of one text that are indexed, and of one search that are looked for. */
const INDEXED = 4_096;
const SOUGHT = 32;
/** 80 bits: among a million words two are equal with odds of one in two trillion. */
const HASH_BYTES = 10;

function wordsOf(text: string, most: number): string[] {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const found: string[] = [];
  for (const [word] of plain.matchAll(/[\p{L}\p{N}]+/gu)) if (found.push(word) === most) break;
  return found;
}

const hashed = (key: Uint8Array, words: readonly string[]): string[] => {
  const known = new Map<string, string>();
  return words.map((word) => {
    let hash = known.get(word);
    if (hash === undefined) known.set(word, (hash = createHmac('sha256', key).update(word).digest().toString('hex', 0, HASH_BYTES)));
    return hash;
  });
};

/** @param key of the space */
export const indexed = (key: Uint8Array, text: string): string => hashed(key, wordsOf(text, INDEXED)).join(' ');

/** A query of FTS5 for texts that have any of the words; undefined: there are no words. */
export function soughtBy(key: Uint8Array, text: string): string | undefined {
  const words = [...new Set(hashed(key, wordsOf(text, SOUGHT)))];
  return words.length === 0 ? undefined : words.map((word) => `"${word}"`).join(' OR ');
}
