/**
 * Finds values that JSON cannot express. JSON.stringify drops functions and symbols, writes NaN as null and a Map as {}; a value
 * that an agent sends, keeps or returns would then change silently. So each value is checked before it leaves, and rejected if
 * that would happen.
 */
import { JSON_MAX_DEPTH } from '@corral/protocol/json';

type Path = (string | number)[];
/** A part of a value, and why JSON cannot express it. */
export interface Oddity {
  readonly path: Path;
  readonly why: string;
}

// oxlint-disable typescript/unbound-method -- taken before an agent can replace them, and applied to their own objects
const { getPrototypeOf, keys } = Object;
const { isArray } = Array;
const { isFinite: isFiniteNumber } = Number;
const { isView } = ArrayBuffer;
const objectPrototype = Object.prototype;
const textOf = Object.prototype.toString;
// oxlint-enable typescript/unbound-method
// JSON.isRawJSON is newer than TypeScript's types.
const isRaw = (JSON as { isRawJSON?: (value: unknown) => boolean }).isRawJSON ?? (() => false);

/** Built-in objects whose content is not in enumerable members, and what to send instead. */
const instead = (): Readonly<Record<string, string>> => ({
  Map: 'send Object.fromEntries(map) or [...map]',
  Set: 'send [...set]',
  WeakMap: 'send what it is made of',
  WeakSet: 'send what it is made of',
  RegExp: 'send its source',
  Error: 'send its message',
  Promise: 'await it first',
  ArrayBuffer: 'send new Uint8Array(buffer).toBase64()',
  DataView: 'send its bytes as base64',
  Generator: 'send [...generator]',
  AsyncGenerator: 'its code runs only where something iterates it: collect what it yields and send that',
  Symbol: 'send its description',
  BigInt: 'send it as text',
});

const oddTypes = (): Readonly<Record<string, string>> => ({
  function: 'a function; send what it returns, or a name for it',
  symbol: 'a symbol; send its description',
  bigint: 'a bigint; send it as text',
});

/** The name of a built-in kind, or of an object's own class. */
export const tagOf = (value: object): string => textOf.call(value).slice(8, -1);

/**
 * @param stands tells whether an object stands for a value, as handles do
 * @returns the first part of the value that JSON would drop or change. JSON leaves out members that are undefined, and writes
 * undefined in an array as null; both are allowed.
 */
export function oddityOf(value: unknown, stands: (value: object) => boolean): Oddity | undefined {
  const found = find(value, stands, JSON_MAX_DEPTH);
  if (found !== undefined || typeof value !== 'object' || value === null || stands(value)) return found;
  const { toJSON } = value as { toJSON?: unknown };
  const isNothing = typeof toJSON === 'function' && (toJSON as () => unknown).call(value) === undefined;
  return isNothing ? { path: [], why: 'an object whose toJSON gives undefined' } : undefined;
}

function find(value: unknown, stands: (value: object) => boolean, levels: number): Oddity | undefined {
  const type = typeof value;
  if (type === 'string' || type === 'boolean' || type === 'undefined' || value === null) return undefined;
  if (type === 'number') return isFiniteNumber(value) ? undefined : { path: [], why: `${value as number}; send null, or text` };
  if (type !== 'object') return { path: [], why: oddTypes()[type] as string };
  const object = value as Record<string, unknown>;
  if (stands(object)) return undefined;
  if (levels === 0) return { path: [], why: `nested deeper than ${JSON_MAX_DEPTH} levels, or refers to itself` };
  if (isArray(object)) {
    for (let i = 0; i < object.length; i++) {
      const found = find(object[i], stands, levels - 1);
      if (found !== undefined) return within(i, found);
    }
    return undefined;
  }
  const prototype: unknown = getPrototypeOf(object);
  if (prototype !== objectPrototype) {
    const why = oddObject(object, prototype);
    if (why !== undefined) return { path: [], why };
  }
  const { toJSON } = object;
  if (typeof toJSON === 'function') return find((toJSON as () => unknown).call(object), stands, levels);
  for (const key of keys(object)) {
    const found = find(object[key], stands, levels - 1);
    if (found !== undefined) return within(key, found);
  }
  return undefined;
}

function within(part: string | number, found: Oddity): Oddity {
  found.path.unshift(part);
  return found;
}

/**
 * Why an object that is not a plain one cannot be sent. Instances of an author's own classes can, by their enumerable members.
 */
function oddObject(object: object, prototype: unknown): string | undefined {
  if (prototype === null) return isRaw(object) ? 'raw JSON; send the value itself' : undefined;
  const tag = tagOf(object);
  if (tag === 'Date' && object instanceof Date) return Number.isNaN(object.getTime()) ? 'an invalid date' : undefined;
  if (object instanceof Error) return `an error; ${instead()['Error'] as string}`;
  if (isView(object)) return `bytes (${tag}); send them as base64 or as an array`;
  if (tag === 'Number') return isFiniteNumber(Number(object)) ? undefined : `${Number(object)}; send null, or text`;
  if (tag === 'String' || tag === 'Boolean') return undefined;
  const known = instead();
  if (Object.hasOwn(known, tag)) return `${article(tag)}; ${known[tag] as string}`;
  if (tag.endsWith('Iterator') || tag.endsWith('Iterator Helper')) return `an iterator; send [...iterator]`;
  // An object without enumerable members would arrive as {}, which the author cannot have meant.
  if (typeof (object as { toJSON?: unknown }).toJSON !== 'function' && keys(object).length === 0)
    return `${article(className(object) ?? tag)} without enumerable members, which would arrive as {}`;
  return undefined;
}

/** The name of the class of an object, if it has one. */
export function className(object: object): string | undefined {
  const { constructor } = object as { constructor?: { name?: unknown } };
  const name = typeof constructor === 'function' ? constructor.name : undefined;
  return typeof name === 'string' && name !== '' ? name.slice(0, 100) : undefined;
}

const VOWEL = /^[AEIOU]/i;
const PLAIN_NAME = /^[A-Za-z_$][\w$]*$/;
export const article = (name: string) => `${VOWEL.test(name) ? 'an' : 'a'} ${name}`;

/** Parts of a path that a message shows. */
const PARTS = 8;

/** A path as an author would write it: `input.items[0].when`. */
export function pathText(root: string, path: readonly (string | number)[]): string {
  const text = path
    .slice(0, PARTS)
    .reduce<string>(
      (sum, part) =>
        typeof part === 'number' ? `${sum}[${part}]` : PLAIN_NAME.test(part) ? `${sum}.${part}` : `${sum}[${JSON.stringify(part)}]`,
      root,
    );
  const shown = text.length > 300 ? text.slice(0, 300) : text;
  return shown === text && path.length <= PARTS ? text : `${shown}…`;
}
