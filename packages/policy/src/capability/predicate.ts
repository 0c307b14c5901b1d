/**
 * Argument predicates: attenuation as data, checked without running any code of an agent, in time that is bounded by the
 * predicate's own size, however large the argument.
 */
import type { Predicate } from '@corral/protocol/model/grant';
import { canonical, JSON_MAX_DEPTH, type Json } from '@corral/protocol/json';

/** A predicate prepared for repeated use: its values are in canonical form, and its path in segments. */
export interface Condition {
  readonly predicate: Predicate;
  readonly under: readonly string[] | undefined;
  readonly equals: string | undefined;
  readonly among: ReadonlySet<string> | undefined;
  /** Length of the longest canonical text that can match. */
  readonly longest: number;
}

/** @throws RangeError if a value in it nests deeper than JSON_MAX_DEPTH */
export function prepare(predicate: Predicate): Condition {
  const equals = predicate.equals === undefined ? undefined : canonical(predicate.equals);
  const among = predicate.in === undefined ? undefined : new Set(predicate.in.map((one) => canonical(one)));
  let longest = equals?.length ?? 0;
  for (const text of among ?? []) longest = Math.max(longest, text.length);
  const under = predicate.under === undefined ? undefined : segments(predicate.under);
  return { predicate, under, equals, among, longest };
}

/** Paths in segments, so that a path which many predicates look at is taken apart once. */
export class Paths {
  #path: string | undefined;
  #segments: readonly string[] | undefined;

  of(path: string): readonly string[] | undefined {
    if (path !== this.#path) [this.#path, this.#segments] = [path, segments(path)];
    return this.#segments;
  }
}

/**
 * Why a predicate does not hold, or undefined if it does. A missing argument fails every predicate.
 * @param paths shared by the predicates that look at the same arguments
 */
export function whyNot({ predicate, under, equals, among, longest }: Condition, value: unknown, paths = new Paths()): string | undefined {
  if (value === undefined) return 'is missing';
  if (equals !== undefined || among !== undefined) {
    const text = canonicalWithin(value as Json, longest);
    if (equals !== undefined && text !== equals) return `is not ${shown(equals)}`;
    if (among !== undefined && (text === undefined || !among.has(text))) return 'is not one of the allowed values';
  }
  if (predicate.under !== undefined && !(typeof value === 'string' && isUnder(paths.of(value), under)))
    return `is not under ${shown(predicate.under)}`;
  if (predicate.prefix !== undefined && !(typeof value === 'string' && value.startsWith(predicate.prefix)))
    return `does not begin with ${shown(predicate.prefix)}`;
  if (predicate.max !== undefined && !(typeof value === 'number' && value <= predicate.max)) return `is not at most ${predicate.max}`;
  if (predicate.min !== undefined && !(typeof value === 'number' && value >= predicate.min)) return `is not at least ${predicate.min}`;
  if (
    predicate.max_length !== undefined &&
    !((typeof value === 'string' || Array.isArray(value)) && value.length <= predicate.max_length)
  ) {
    return `is longer than ${predicate.max_length}`;
  }
  return undefined;
}

/** Values in messages are cut: they come from one agent and are shown to another. */
const SHOWN = 200;
const shown = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

/** Canonical text (see `canonical`); undefined if it is longer than `most` or nests too deep. */
function canonicalWithin(value: Json, most: number): string | undefined {
  let text = '';
  const write = (part: string): boolean => {
    text += part;
    return text.length <= most;
  };
  const walk = (one: Json, depth: number): boolean => {
    if (typeof one === 'string' && one.length > most) return false;
    if (typeof one !== 'object' || one === null) return write(JSON.stringify(one) ?? 'null');
    if (depth === JSON_MAX_DEPTH) return false;
    if (Array.isArray(one)) {
      // Each item takes at least a character.
      if (one.length > most) return false;
      return write('[') && one.every((item: Json, i) => (i === 0 || write(',')) && walk(item, depth + 1)) && write(']');
    }
    const object = one as { readonly [key: string]: Json | undefined };
    let members = 0;
    for (const key in object) if (Object.hasOwn(object, key) && (members += 1) > most) return false;
    let first = true;
    for (const key of Object.keys(object).sort()) {
      const member = object[key];
      if (member === undefined) continue;
      if (!write(`${first ? '{' : ','}${JSON.stringify(key)}:`) || !walk(member, depth + 1)) return false;
      first = false;
    }
    return write(first ? '{}' : '}');
  };
  return walk(value, 0) ? text : undefined;
}

/** The argument at a dotted path; undefined if there is none. Own members only, so that members of a prototype are not found. */
export function argumentAt(input: unknown, path: string): unknown {
  let value: unknown = input;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/**
 * The segments of a relative path with `.` and `..` resolved; undefined if it is absolute or leaves its base. Backslashes count
 * as separators, so that a file name of one platform cannot leave the folder on another.
 */
export function segments(path: string): string[] | undefined {
  if (/^([/\\]|[a-zA-Z]:)/.test(path) || path.includes('\0')) return undefined;
  const result: string[] = [];
  for (const part of path.split(/[/\\]/)) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (result.pop() === undefined) return undefined;
    } else {
      result.push(part);
    }
  }
  return result;
}

function isUnder(inner: readonly string[] | undefined, outer: readonly string[] | undefined): boolean {
  return inner !== undefined && outer !== undefined && outer.length <= inner.length && outer.every((part, i) => part === inner[i]);
}
