/**
 * The first difference between two batches of effects, for replay: says where and how they differ. This file is imported by
 * cells, so it imports no libraries.
 */
import { canonical } from '../json.ts';

/**
 * `different`: another effect is in its place; `missing`: a recorded effect was not made again; `extra`: an effect was made that
 * is not recorded.
 */
export const DIFFERENCE_KINDS = ['different', 'missing', 'extra'] as const;
export type DifferenceKind = (typeof DIFFERENCE_KINDS)[number];

export interface Difference {
  /** Which effect of its crank, from 0. */
  readonly index: number;
  readonly kind: DifferenceKind;
  /** Canonical JSON, cut; "nothing" if there is no effect. */
  readonly expected: string;
  readonly seen: string;
}

/** Longest excerpt of an effect in characters. */
const EXCERPT = 500;
const NOTHING = 'nothing';

/** The first place where two batches differ as JSON values. */
export function firstDifference(expected: readonly unknown[], seen: readonly unknown[]): Difference | undefined {
  for (let index = 0; index < Math.max(expected.length, seen.length); index++) {
    if (index >= seen.length) return { index, kind: 'missing', expected: excerpt(expected[index]), seen: NOTHING };
    if (index >= expected.length) return { index, kind: 'extra', expected: NOTHING, seen: excerpt(seen[index]) };
    if (text(expected[index]) === text(seen[index])) continue;
    const gone = expected.length - seen.length;
    if (gone > 0 && follows(expected.slice(index + gone), seen.slice(index)))
      return { index, kind: 'missing', expected: excerpt(expected[index]), seen: NOTHING };
    if (gone < 0 && follows(seen.slice(index - gone), expected.slice(index)))
      return { index, kind: 'extra', expected: NOTHING, seen: excerpt(seen[index]) };
    return { index, kind: 'different', expected: excerpt(expected[index]), seen: excerpt(seen[index]) };
  }
  return undefined;
}

/** The same for batches as text; a batch that is not JSON equals only the identical text. */
export function firstDifferenceOf(expected: string, seen: string): Difference | undefined {
  if (expected === seen) return undefined;
  const a = batch(expected);
  const b = batch(seen);
  if (a === undefined || b === undefined)
    return { index: 0, kind: 'different', expected: expected.slice(0, EXCERPT), seen: seen.slice(0, EXCERPT) };
  return firstDifference(a, b);
}

/** One sentence for people. */
export function differenceText({ index, kind, expected, seen }: Difference): string {
  const which = `effect ${index + 1}`;
  if (kind === 'missing') return `${which} is missing: expected ${expected}, saw nothing`;
  if (kind === 'extra') return `${which} is one too many: expected nothing, saw ${seen}`;
  return `${which} is another: expected ${expected}, saw ${seen}`;
}

function batch(effects: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(effects);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the effects are the same apart from their numbers, which shift after an effect that is missing or extra. */
function follows(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, i) => unnumbered(one) === unnumbered(b[i]));
}

function unnumbered(effect: unknown): string {
  return text(typeof effect === 'object' && effect !== null ? { ...effect, id: undefined } : effect);
}

/** A value that nests too deeply for canonical JSON can still be compared. */
function text(value: unknown): string {
  try {
    return canonical(value);
  } catch {
    return JSON.stringify(value) ?? NOTHING;
  }
}

function excerpt(value: unknown): string {
  return text(value).slice(0, EXCERPT);
}
