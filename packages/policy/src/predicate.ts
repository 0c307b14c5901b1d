/** Argument predicates: attenuation as data, judged in constant time and without running anything of an agent's. */
import type { Predicate } from '@corral/protocol/grant';
import { canonical } from '@corral/protocol/json';

/** Why a predicate does not hold, or undefined when it does. An argument that is missing fails every predicate. */
export function whyNot(predicate: Predicate, value: unknown): string | undefined {
  if (value === undefined) return 'is missing';
  if (predicate.equals !== undefined && canonical(value) !== canonical(predicate.equals)) return `is not ${canonical(predicate.equals)}`;
  if (predicate.in !== undefined) {
    const text = canonical(value);
    if (!predicate.in.some((one) => canonical(one) === text)) return 'is not one of the allowed values';
  }
  if (predicate.under !== undefined && !(typeof value === 'string' && isUnder(value, predicate.under)))
    return `is not under ${predicate.under}`;
  if (predicate.prefix !== undefined && !(typeof value === 'string' && value.startsWith(predicate.prefix)))
    return `does not begin with ${predicate.prefix}`;
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

/** The argument at a dotted path; undefined where there is none. Own members only, so that no prototype answers. */
export function argumentAt(input: unknown, path: string): unknown {
  let value: unknown = input;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/**
 * The segments of a relative path with `.` and `..` worked out; undefined when it is absolute or leads out of where it begins.
 * Backslashes count as separators, so that what one platform takes for a name does not leave the folder on another.
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

function isUnder(path: string, root: string): boolean {
  const inner = segments(path);
  const outer = segments(root);
  return inner !== undefined && outer !== undefined && outer.length <= inner.length && outer.every((part, i) => part === inner[i]);
}
