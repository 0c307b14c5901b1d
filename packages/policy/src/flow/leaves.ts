/** The leaves of a JSON value with their positions: provenance indexes those of results and looks up those of arguments. */
import type { Json } from '@corral/protocol/json';
import { fieldAt, leadsOn, placeBelow, placeNamed, type FieldPaths, type FieldPlace } from './field-paths.ts';
import { jsonIn } from './json-text.ts';
import { Memo } from './memo.ts';

export interface Leaf {
  /** `recipients[0]`, `attachments[0].file_id`; empty for a value that is a leaf itself. */
  readonly path: string;
  /** The nearest member name; for items of an array that of the array: `recipients`. Empty if there is none. */
  readonly name: string;
  /** The nearest enclosing object, numbered in the order in which objects begin; 0 if there is none. */
  readonly record: number;
  readonly value: string | number;
  /** The path of `fields` that it stands in. */
  readonly field?: string;
}

/** Most leaves that are examined, and most names; `complete` says whether there are more. */
export const LEAVES_MAX = 4096;

/** Longest text that is read as JSON to find fields in it. */
const JSON_CHARS = 256 * 1024;

/** A name that programs give to a member, and no text: letters, with a number behind them at most. */
const PLAIN_NAME = /^[A-Za-z_$][A-Za-z_$-]{0,39}\d{0,2}$/;
/** Whether a member's name may hold data: it is not a plain name. */
export const isTelling = (name: string): boolean => !PLAIN_NAME.test(name);

/**
 * Strings and numbers of a value, depth first, in order. null and booleans carry no information about their origin.
 * @returns `complete` is false if the value has more leaves than LEAVES_MAX or nests deeper than JSON may here
 */
export function leavesOf(value: Json, max = LEAVES_MAX): { leaves: Leaf[]; complete: boolean } {
  const { leaves, complete } = walked(value, max, () => false, undefined);
  return { leaves, complete };
}

/**
 * All that can hold text: the leaves of a value, and names of members that may hold data, as leaves of no record. A text can be moved in a
 * name as well as in a value.
 * @param holds whether a name may hold data
 * @param fields leaves in these fields are marked. A text on the way to one is read as JSON, and its leaves take its place
 * @returns `complete` as for `leavesOf`; false also if there are more than `max` such names
 */
export function textsOf(value: Json, holds = isTelling, max = LEAVES_MAX, fields?: FieldPaths): Texts {
  return walked(value, max, holds, fields);
}

interface Texts {
  readonly leaves: Leaf[];
  readonly names: Leaf[];
  readonly complete: boolean;
}

type Place = FieldPlace | undefined;

function walked(value: Json, max: number, holds: (name: string) => boolean, fields: FieldPaths | undefined): Texts {
  const leaves: Leaf[] = [];
  const names: Leaf[] = [];
  let records = 0;
  let complete = true;
  /** A text is read as JSON once: a text in it may be a stranger's. */
  let inText = false;
  const within = (work: () => void): void => {
    inText = true;
    work();
    inText = false;
  };
  const marked = (leaf: Leaf, place: FieldPlace | undefined): Leaf => {
    const field = fieldAt(place);
    return field === undefined ? leaf : { ...leaf, field };
  };
  /** @param text the place whose fields a text may hold as JSON; undefined: none, as within such a text */
  const walk = (at: Json, path: string, name: string, record: number, depth: number, place: Place, text: Place): void => {
    if (leaves.length >= max || names.length > max || depth > 64) {
      complete = false;
      return;
    }
    if (typeof at === 'string' || typeof at === 'number') {
      const inside = typeof at === 'string' && leadsOn(text) ? jsonIn(at, JSON_CHARS) : undefined;
      if (inside === undefined) leaves.push(marked({ path, name, record, value: at }, place));
      else within(() => walk(inside, path, name, record, depth + 1, text, undefined));
    } else if (Array.isArray(at)) {
      for (let i = 0; i < at.length && complete; i++) {
        walk(at[i] as Json, `${path}[${i}]`, name, record, depth + 1, placeBelow(place, undefined), undefined);
      }
    } else if (typeof at === 'object' && at !== null) {
      records += 1;
      const here = records;
      for (const [key, member] of Object.entries(at)) {
        if (!complete) break;
        const below = path === '' ? key : `${path}.${key}`;
        // The writer of an object writes the names in it.
        if (holds(key)) names.push(marked({ path: below, name: '', record: 0, value: key }, place));
        walk(member, below, key, here, depth + 1, placeBelow(place, key), inText ? undefined : placeNamed(place, key));
      }
    }
  };
  walk(value, '', '', 0, 0, fields?.root, fields?.root);
  return { leaves, names, complete };
}

const parts = (name: string): string[] => partsKnown.of(name);
const partsKnown = new Memo(4_096, (name: string): string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((part) => part !== '')
    .map((part) => (part.length > 2 && part.endsWith('s') && !part.endsWith('ss') ? part.slice(0, -1) : part)),
);

/**
 * Names of fields for receivers; programs use different words for this role. Fields for senders and authors are not among them,
 * because strangers fill those in freely; nor are copies, which few people check.
 */
const TOWARDS = new Set(
  'recipient participant attendee addressee beneficiary payee receiver invitee member guest person people contact'.split(' '),
);
const isTowards = (name: readonly string[]) => name.some((part) => TOWARDS.has(part)) || name.join('') === 'to';

/**
 * Whether a field of a result and a parameter of a tool have similar names: `participants` and `participant`, `id_` and
 * `event_id`.
 */
export function namedAlike(field: string, parameter: string): boolean {
  const a = parts(field);
  const b = parts(parameter);
  if (a.length === 0 || b.length === 0) return false;
  const [few, many] = a.length < b.length ? [a, b] : [b, a];
  if (isTowards(a) && isTowards(b)) return true;
  return few.every((part) => many.includes(part));
}
