/** Checks values against an author's own schemas, in the author's own isolate. */
import type { Schema } from '../sdk/types.ts';
import { raise } from './errors.ts';
import { article, className, tagOf } from './values.ts';

/** @returns the value as the schema returns it @throws with that code, naming where the value does not fit */
export async function validate(
  schema: Schema | undefined,
  value: unknown,
  code: 'CORRAL_INPUT_INVALID' | 'CORRAL_OUTPUT_INVALID' | 'CORRAL_ARGS_INVALID',
  what: string,
  whose = 'the agent’s',
): Promise<unknown> {
  if (schema === undefined) return value;
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const issues = result.issues.slice(0, 3).map((issue) => {
    const parts = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part));
    const path = parts.map(String).join('.');
    const message = issue.message === UNSAID ? saidOf(issue as Issue, value, parts) : issue.message;
    return path === '' ? message : `${path}: ${message}`;
  });
  throw raise(code, `The ${what} does not fit ${whose} schema: ${issues.join('; ')}.`);
}

/** All that zod/mini says of a misfit: its sentences are in locales, which would make each bundle larger. */
const UNSAID = 'Invalid input';

/** Members of zod's issues, by which one of another library cannot be mistaken, since it has a sentence of its own. */
interface Issue {
  readonly code?: unknown;
  readonly expected?: unknown;
  readonly values?: unknown;
  readonly origin?: unknown;
  readonly maximum?: unknown;
  readonly minimum?: unknown;
  readonly inclusive?: unknown;
  readonly format?: unknown;
  readonly pattern?: unknown;
  readonly keys?: unknown;
  readonly divisor?: unknown;
}

/** Says what was expected and what was received, in the words of zod's English locale. */
function saidOf(issue: Issue, root: unknown, path: readonly PropertyKey[]): string {
  const { code, expected, values, origin, maximum, minimum, inclusive, format, pattern, keys, divisor } = issue;
  const size = (sign: '<' | '>', bound: unknown) =>
    `expected ${text(origin)} to be ${sign}${inclusive === false ? '' : '='} ${text(bound)}`;
  switch (code) {
    case 'invalid_type':
      return `expected ${text(expected)}, received ${receivedAt(root, path)}`;
    case 'invalid_value':
      return Array.isArray(values) ? `expected ${list(values, ' or ')}, received ${receivedAt(root, path, true)}` : UNSAID;
    case 'too_big':
      return size('<', maximum);
    case 'too_small':
      return size('>', minimum);
    case 'invalid_format':
      return format === 'regex' && pattern !== undefined
        ? `expected text that matches ${text(pattern)}`
        : `expected text in the form of ${text(format)}`;
    case 'not_multiple_of':
      return `expected a multiple of ${text(divisor)}`;
    case 'unrecognized_keys':
      return Array.isArray(keys) ? `has unknown members: ${list(keys, ', ')}` : UNSAID;
    default:
      return `${UNSAID}, received ${receivedAt(root, path)}`;
  }
}

const SHOWN = 8;
const CHARS = 100;
const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, CHARS) : '?');
export const quoted = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value.slice(0, CHARS)) : text(value));
const list = (values: readonly unknown[], between: string): string =>
  `${values.slice(0, SHOWN).map(quoted).join(between)}${values.length > SHOWN ? '…' : ''}`;

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let at = root;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}

/** Describes the value at a path. A member that is missing from a Map, or from another object with a class, was rarely meant to be one of it. */
function receivedAt(root: unknown, path: readonly PropertyKey[], whole = false): string {
  const value = valueAt(root, path);
  const around = value === undefined && path.length > 0 ? valueAt(root, path.slice(0, -1)) : undefined;
  const name = typeof around === 'object' && around !== null && !Array.isArray(around) ? classOf(around) : undefined;
  return `${kindOf(value, whole)}${name === undefined ? '' : ` in ${article(name)}`}`;
}

/** @param whole shows a short text or a number itself */
function kindOf(value: unknown, whole = false): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (Number.isNaN(value)) return 'NaN';
  if (typeof value === 'object') return classOf(value) ?? 'object';
  return whole && (typeof value === 'string' || typeof value === 'number') ? quoted(value) : typeof value;
}

/** The class of an object that is not a plain one: `Map`, `Date`, or an author's own. Reading it runs code of the agent, which may throw. */
export function classOf(value: object): string | undefined {
  try {
    const tag = tagOf(value);
    const name = tag === 'Object' ? className(value) : tag;
    return name === 'Object' ? undefined : text(name);
  } catch {
    return undefined;
  }
}
