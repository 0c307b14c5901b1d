/**
 * Whether a trusted tool's result repeats what was put into its arguments through a handle. A tool that answers `saved: …`
 * returns a stranger's text although the host trusts the tool. Errs on the safe side: a few letters or digits in common count as
 * repetition; small numbers and booleans are ignored, because they carry too little, as in a narrow answer.
 */
import type { Json } from '@corral/protocol/json';
import { textsOf } from './leaves.ts';
import { decodings, fold, squeeze } from './text.ts';

/** Smaller numbers are ignored: tools report such numbers by themselves, such as how many bytes were written. */
const SMALL = 10_000;
/** Consecutive letters and digits that count as repeated. */
const COMMON = 8;
/** Most characters of handles and of a result that are compared; beyond, a result counts as repeating. */
const CHARS = 64 * 1024;

export function echoes(result: Json, inside: readonly Json[]): boolean {
  const said = squeezed([result]);
  const held = squeezed(inside);
  if (said?.length === 0) return false;
  if (said === undefined || held === undefined) return true;
  const short = new Set<string>();
  const grams = new Set<string>();
  for (const text of held) {
    if (text.length < COMMON) short.add(text);
    for (let i = 0; i + COMMON <= text.length; i++) grams.add(text.slice(i, i + COMMON));
  }
  return said.some((text) => {
    for (const one of short) if (one !== '' && text.includes(one)) return true;
    for (let i = 0; i + COMMON <= text.length; i++) if (grams.has(text.slice(i, i + COMMON))) return true;
    return false;
  });
}

/** Squeezed texts of values; undefined if there are too many. */
function squeezed(values: readonly Json[]): string[] | undefined {
  const texts: string[] = [];
  let chars = 0;
  for (const one of values) {
    const { leaves, names, complete } = textsOf(one);
    if (!complete) return undefined;
    for (const { value } of [...leaves, ...names]) {
      if (typeof value === 'number' && Math.abs(value) < SMALL) continue;
      for (const text of [String(value), ...decodings(String(value))]) {
        chars += text.length;
        if (chars > CHARS) return undefined;
        texts.push(squeeze(fold(text)));
      }
    }
  }
  return texts;
}
