/** The leaves of a JSON value with where they stand: what provenance indexes of a result and asks about an argument. */
import type { Json } from '@corral/protocol/json';
import { Memo } from './memo.ts';

export interface Leaf {
  /** `recipients[0]`, `attachments[0].file_id`; empty for a value that is a leaf itself. */
  readonly path: string;
  /** The nearest member name, which for items of an array is the array's: `recipients`. Empty where there is none. */
  readonly name: string;
  /** The nearest enclosing object, numbered in the order in which they begin; 0 where there is none. */
  readonly record: number;
  readonly value: string | number;
}

/** At most so many leaves are looked at; what lies beyond is said to be missing. */
export const LEAVES_MAX = 4096;

/**
 * Strings and numbers of a value, depth first, in order. null and booleans say nothing about where they came from.
 * @returns `complete` is false when the value has more leaves than LEAVES_MAX or nests deeper than JSON allows here
 */
export function leavesOf(value: Json, max = LEAVES_MAX): { leaves: Leaf[]; complete: boolean } {
  const leaves: Leaf[] = [];
  let records = 0;
  let complete = true;
  const walk = (at: Json, path: string, name: string, record: number, depth: number): void => {
    if (leaves.length >= max || depth > 64) {
      complete = false;
      return;
    }
    if (typeof at === 'string' || typeof at === 'number') {
      leaves.push({ path, name, record, value: at });
    } else if (Array.isArray(at)) {
      for (let i = 0; i < at.length && complete; i++) walk(at[i] as Json, `${path}[${i}]`, name, record, depth + 1);
    } else if (typeof at === 'object' && at !== null) {
      records += 1;
      const here = records;
      for (const [key, member] of Object.entries(at)) {
        if (!complete) break;
        walk(member, path === '' ? key : `${path}.${key}`, key, here, depth + 1);
      }
    }
  };
  walk(value, '', '', 0, 0);
  return { leaves, complete };
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
 * Names of whom something goes to: programs agree on the role and not on the word. Who sent or wrote something is not among them,
 * since strangers fill that in freely, and neither are copies, which few look at.
 */
const TOWARDS = new Set(
  'recipient participant attendee addressee beneficiary payee receiver invitee member guest person people contact'.split(' '),
);
const isTowards = (name: readonly string[]) => name.some((part) => TOWARDS.has(part)) || name.join('') === 'to';

/** Whether a field of a result and a parameter of a tool are named alike: `participants` and `participant`, `id_` and `event_id`. */
export function namedAlike(field: string, parameter: string): boolean {
  const a = parts(field);
  const b = parts(parameter);
  if (a.length === 0 || b.length === 0) return false;
  const [few, many] = a.length < b.length ? [a, b] : [b, a];
  if (isTowards(a) && isTowards(b)) return true;
  return few.every((part) => many.includes(part));
}
