/**
 * Findings of inspectors about a value on its way: facts for policies, recorded with the decision, so that nothing is asked again on replay.
 * They name kinds and places, and never hold a part of the value.
 */
import * as z from 'zod';
import type { Cost } from './cost.ts';

/** Where values are inspected: the arguments of a call, its answer, a message or the input of a child run, the output of a run. */
export const INSPECTED_PLACES = ['request', 'answer', 'message', 'output'] as const;
export type InspectedPlace = (typeof INSPECTED_PLACES)[number];

/** As a policy writes it: `context.inspect.NAME`. */
export const InspectorName = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'lower-case letters, digits and _, up to 40');
export type InspectorName = z.infer<typeof InspectorName>;

/** Kinds and places of one finding that are kept. */
export const KINDS_KEPT = 16;
/** Bounds on the text of a kind, and of a place. */
export const KIND_CHARS = 64;
const PLACE_CHARS = 200;

export const Finding = z.object({
  found: z.boolean(),
  /** Kinds of findings, such as `aws_access_key`. Sorted, distinct. */
  kinds: z.array(z.string().max(KIND_CHARS)).max(KINDS_KEPT),
  count: z.int().min(0),
  /** From 0 to 1. Inspectors that know no degrees say 0 or 1. */
  score: z.number().min(0).max(1),
  /** For people: places of the first ones, as paths into the value, each with its kind. */
  places: z
    .array(z.tuple([z.string().max(PLACE_CHARS), z.string().max(KIND_CHARS)]))
    .max(KINDS_KEPT)
    .exactOptional(),
});
export type Finding = z.infer<typeof Finding>;

/** An inspector that did not answer, and why. Policies lack its facts then, so one that needs them denies. */
export const Missing = z.object({ missing: z.string().max(400) });
export type Missing = z.infer<typeof Missing>;

/** By inspector. */
export const Inspected = z.record(InspectorName, z.union([Finding, Missing]));
export type Inspected = Readonly<Record<string, Finding | Missing>>;

export const isMissing = (one: Finding | Missing): one is Missing => 'missing' in one;

/** The facts that policies get: those of inspectors that answered. */
export function factsFrom(inspected: Inspected): Readonly<Record<string, Finding>> {
  const facts: Record<string, Finding> = {};
  for (const [name, one] of Object.entries(inspected)) if (!isMissing(one)) facts[name] = one;
  return facts;
}

/** The inspectors that did not answer, with their reasons, as the end of a sentence; undefined if all did. */
export function missingText(inspected: Inspected): string | undefined {
  const missing = Object.entries(inspected).flatMap(([name, one]) => (isMissing(one) ? [`inspector ${name}: ${one.missing}`] : []));
  return missing.length === 0 ? undefined : missing.join('; ');
}

/** The answer of one inspector in words: `aws_access_key ×2 at content[0].text`. */
export function findingText(one: Finding | Missing): string {
  if (isMissing(one)) return `nothing: ${one.missing}`;
  if (!one.found) return 'found nothing';
  const kinds = one.kinds.length === 0 ? 'found something' : one.kinds.join(', ');
  const places = [...new Set((one.places ?? []).map(([path]) => path))].filter((path) => path !== '');
  const score = one.score < 1 ? `, score ${one.score}` : '';
  return `${kinds}${one.count > 1 ? ` ×${one.count}` : ''}${places.length === 0 ? '' : ` at ${places.join(', ')}`}${score}`;
}

/** The decision about an answer, recorded with it. */
export interface AnswerInspection {
  readonly by: Inspected;
  readonly verdict: 'allow' | 'deny';
  readonly policy: string;
  readonly rules: readonly string[];
  /** The cost of asking; the accounts above the run pay it. */
  readonly cost?: Cost;
}
