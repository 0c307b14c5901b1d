/** Looks through a value for secrets or personal data, and says what it found and where. */
import type { Json } from '@corral/protocol/json';
import { KINDS_KEPT, type Finding } from '@corral/protocol/model/inspection';
import { readings, shortestRun, type KnownValue } from './known-values.ts';
import { personalIn } from './personal-data.ts';
import { shapesIn } from './secret-shapes.ts';
import { pathOf, textsIn, type Place, type Text } from './texts.ts';

export type Search =
  | { readonly kind: 'secrets'; readonly values: readonly KnownValue[]; readonly except: readonly string[] }
  | { readonly kind: 'personal'; readonly except: readonly string[] };

/** Texts with fewer characters hold nothing. */
const SHORTEST_TEXT = 8;

type Found = (kind: string) => void;

/** @returns undefined if the value has more text than may be looked at */
export function scan(value: Json, search: Search, most_chars: number): Finding | undefined {
  const all = textsIn(value, most_chars);
  if (all === undefined) return undefined;
  const look = search.kind === 'personal' ? personalIn : secretsIn(search.values);
  const found: { readonly kind: string; readonly at: Place | undefined }[] = [];
  const note = (at: Place | undefined) => (kind: string) => {
    if (!search.except.includes(kind)) found.push({ kind, at });
  };
  for (const one of all.texts) if (one.text.length >= SHORTEST_TEXT) look(one.text, note(one.at));
  if (search.kind === 'secrets') splitIn(all.joined, search.values, found, note);
  return findingOf(found, (name) => {
    let isClean = true;
    look(name, () => (isClean = false));
    return isClean;
  });
}

function secretsIn(values: readonly KnownValue[]): (text: string, found: Found) => void {
  const shortest = shortestRun(values);
  return (text, found) => {
    // A key is told once, however it is read.
    const seen = new Set<string>();
    const once = (kind: string) => {
      if (seen.has(kind)) return;
      seen.add(kind);
      found(kind);
    };
    const each = (kind: string) => {
      seen.add(kind);
      found(kind);
    };
    let isPlain = true;
    for (const reading of readings(text, shortest)) {
      for (const { kind, value } of values) if (reading.includes(value)) once(kind);
      shapesIn(reading, isPlain ? each : once);
      isPlain = false;
    }
  };
}

/** Known values that stand in no string as a whole. Keys of known shapes are not searched for there: strings that meet by chance make some. */
function splitIn(
  joined: readonly Text[],
  values: readonly KnownValue[],
  found: readonly { readonly kind: string }[],
  note: (at: Place | undefined) => Found,
): void {
  if (values.length === 0) return;
  const known = new Set(found.map(({ kind }) => kind));
  for (const { text, at } of joined)
    for (const { kind, value } of values)
      if (!known.has(kind) && text.includes(value)) {
        known.add(kind);
        note(at)(kind);
      }
}

function findingOf(
  found: readonly { readonly kind: string; readonly at: Place | undefined }[],
  isClean: (name: string) => boolean,
): Finding {
  const kinds = [...new Set(found.map(({ kind }) => kind))].sort().slice(0, KINDS_KEPT);
  const places = new Map<string, readonly [string, string]>();
  for (const { kind, at } of found) {
    if (places.size >= KINDS_KEPT) break;
    const path = pathOf(at, isClean);
    places.set(`${path} ${kind}`, [path, kind]);
  }
  const count = found.length;
  return {
    found: count > 0,
    kinds,
    count,
    score: count > 0 ? 1 : 0,
    ...(count === 0 ? {} : { places: [...places.values()].map(([path, kind]): [string, string] => [path, kind]) }),
  };
}
