/**
 * Values as text, for log lines and messages of errors. Values that JSON can express are shown as JSON, others similarly. Never
 * throws, whatever a value's getters and proxies do.
 */
import { ownFrames } from './errors.ts';
import { className, oddityOf, tagOf } from './values.ts';

const stringify = JSON.stringify;
const { getPrototypeOf, keys } = Object;
const { isArray } = Array;
const isView = (value: unknown) => ArrayBuffer.isView(value);

/** Most levels, items and characters of values that JSON cannot express; the rest is only counted. */
const LEVELS = 8;
const ITEMS = 100;
const TEXT = 16_384;
/** Most causes of causes, and errors of an AggregateError. */
const CAUSES = 5;

/** Whether a value is an error, also one whose prototype was changed. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || (typeof value === 'object' && value !== null && tagOf(value) === 'Error');
  } catch {
    return false;
  }
}

/** One value of a log line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return value;
  try {
    if (isError(value)) return errorText(value);
    if (typeof value !== 'object' || value === null) return primitive(value);
    return asJson(value) ?? new Writer().write(value, LEVELS);
  } catch {
    return unreadable(value);
  }
}

function asJson(value: object): string | undefined {
  try {
    return isPlain(value) && oddityOf(value, () => false) === undefined ? stringify(value) : undefined;
  } catch {
    return undefined;
  }
}

/** An error with its stack, its causes and, for an AggregateError, its errors. */
function errorText(error: Error): string {
  return [stackOf(error), ...causesOf(error)].join('\n');
}

/** The header and the author's own frames. */
export function stackOf(error: Error): string {
  const { stack } = error;
  return typeof stack === 'string' && stack !== '' ? ownFrames(stack) : headOf(error);
}

/** The code, the causes and the errors of an error, one indented text for each; bounded in depth and number. */
export function causesOf(error: Error, levels = CAUSES, above: readonly unknown[] = []): string[] {
  const seen = [...above, error];
  const texts: string[] = [];
  const tell = (label: string, what: unknown) => {
    const text = seen.includes(what)
      ? '[Circular]'
      : isError(what)
        ? levels === 0
          ? headOf(what)
          : [stackOf(what), ...causesOf(what, levels - 1, seen)].join('\n')
        : short(what);
    texts.push(`  [${label}]: ${text.replaceAll('\n', '\n  ')}`);
  };
  const { cause, errors, code } = error as { cause?: unknown; errors?: unknown; code?: unknown };
  if (Object.hasOwn(error, 'code') && isOwnCode(code)) texts.push(`  [code]: ${String(code).slice(0, CODE)}`);
  if (Object.hasOwn(error, 'cause')) tell('cause', cause);
  if (isArray(errors)) {
    for (const [i, one] of errors.slice(0, CAUSES).entries()) tell(`errors ${i}`, one);
    if (errors.length > CAUSES) texts.push(`  [errors]: ${errors.length - CAUSES} more`);
  }
  return texts;
}

/** Longest code of an author's error that is told. */
const CODE = 100;
/** A code that an author or a library gave. Those of the host are told with the error itself. */
const isOwnCode = (code: unknown) => typeof code === 'number' || (typeof code === 'string' && !code.startsWith('CORRAL_'));

/** A value in the message of an error: on one line, and short. */
export function short(value: unknown, most = 500): string {
  const text = typeof value === 'string' ? stringify(value) : isError(value) ? headOf(value) : show(value);
  return text.length > most ? `${text.slice(0, most)}… (${text.length} characters)` : text;
}

/** Gives `TypeError: x is not a function`; parts that throw when read are left out. */
export function headOf(error: Error): string {
  const part = (name: 'name' | 'message') => {
    try {
      const said: unknown = error[name];
      return typeof said === 'string' ? said : '';
    } catch {
      return '';
    }
  };
  const name = part('name') || 'Error';
  const message = part('message');
  return message === '' ? name : `${name}: ${message}`;
}

const primitive = (value: unknown): string =>
  typeof value === 'bigint' ? `${value}n` : Object.is(value, -0) ? '-0' : typeof value === 'function' ? functionText(value) : String(value);

/** As in Node: the name without the source, which is rarely what a log is about. */
function functionText(value: object): string {
  const { name } = value as { name?: unknown };
  return typeof name === 'string' && name !== '' ? `[Function: ${name}]` : '[Function]';
}

function unreadable(value: unknown): string {
  try {
    return `[${tagOf(value as object)}]`;
  } catch {
    return '[a value that cannot be looked at]';
  }
}

/** An array, or an object without a class: shown as JSON. */
function isPlain(value: object): boolean {
  if (isArray(value)) return true;
  const prototype: unknown = getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || typeof (value as { toJSON?: unknown }).toJSON === 'function';
}

/** Writes a value part by part, and stops at the limit. */
class Writer {
  #left = TEXT;
  readonly #above: object[] = [];

  write(value: unknown, levels: number): string {
    if (this.#left <= 0) return '…';
    if (typeof value === 'object' && value !== null) return this.#guarded(value, levels);
    const text = typeof value === 'string' ? stringify(value) : typeof value === 'bigint' ? `"${value}n"` : primitive(value);
    this.#left -= text.length;
    return text;
  }

  #guarded(value: object, levels: number): string {
    if (this.#above.includes(value)) return '[Circular]';
    this.#above.push(value);
    try {
      return this.#object(value, levels);
    } catch {
      return unreadable(value);
    } finally {
      this.#above.pop();
    }
  }

  #object(value: object, levels: number): string {
    if (isError(value)) return `[${[headOf(value), ...causesOf(value).map((text) => text.trim())].join(' ')}]`;
    const tag = tagOf(value);
    if (tag === 'Date' && value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : stringify(value);
    if (tag === 'RegExp' && value instanceof RegExp) return value.toString();
    if (tag === 'Promise' || tag === 'WeakMap' || tag === 'WeakSet') return `${tag} {}`;
    if (levels === 0) return isArray(value) ? '[Array]' : `[${className(value) ?? 'Object'}]`;
    if (value instanceof Map) return `{"Map":${this.#items([...(value as Map<unknown, unknown>)], levels)}}`;
    if (value instanceof Set) return `{"Set":${this.#items([...(value as Set<unknown>)], levels)}}`;
    if (isArray(value)) return this.#items(value, levels);
    if (isView(value) && tag !== 'DataView')
      return `${tag}(${(value as Uint8Array).length}) ${this.#items([...(value as Uint8Array)], levels)}`;
    if (tag === 'ArrayBuffer') return `ArrayBuffer(${(value as ArrayBuffer).byteLength})`;
    const name = isPlain(value) ? '' : `${className(value) ?? tag} `;
    return `${name}${this.#members(value as Record<string, unknown>, levels)}`;
  }

  #items(items: readonly unknown[], levels: number): string {
    const texts: string[] = [];
    for (let i = 0; i < items.length && i < ITEMS && this.#left > 0; i++) texts.push(this.write(items[i], levels - 1));
    if (texts.length < items.length) texts.push(`… ${items.length - texts.length} more`);
    return `[${texts.join(',')}]`;
  }

  #members(object: Readonly<Record<string, unknown>>, levels: number): string {
    const names = keys(object);
    const texts: string[] = [];
    for (const name of names) {
      if (texts.length === ITEMS || this.#left <= 0) break;
      let text: string;
      try {
        text = this.write(object[name], levels - 1);
      } catch {
        text = '[a getter that throws]';
      }
      texts.push(`${stringify(name)}:${text}`);
    }
    for (const symbol of Object.getOwnPropertySymbols(object).slice(0, ITEMS)) texts.push(`[${String(symbol)}]:…`);
    if (texts.length < names.length) texts.push(`… ${names.length - texts.length} more`);
    return `{${texts.join(',')}}`;
  }
}
