/**
 * Lets the cell know more of a rejection that nobody handled than comes out of the isolate by itself. Of what it was made with
 * isolated-vm reads `message` and `stack`, and no code of the isolate runs any more then but what V8 calls for these:
 * - Of an object that has neither it says nothing. So objects inherit a `stack`. It is undefined for all, and the object of which it
 *   was read from outside is remembered.
 * - Of an error it says nothing about causes. V8 writes a stack when it is first read, and asks `Error.prepareStackTrace` how. So there
 *   is one for readers from outside alone: it writes what V8 would, and remembers the error. An error whose stack was read before, and
 *   one whose stack the agent writes itself, is told without its causes.
 */
import { errorStack } from './describe.ts';
import { causesOf, isError, short } from './inspect.ts';

const LENGTH = 1000;

/** What tells of the last rejection; without either, what isolated-vm says is all there is. */
export interface RejectedWith {
  /** It was an object, and no error. */
  readonly what?: string;
  /** It was an error, and had causes. */
  readonly stack?: string;
}

// V8's own, which the types of the language do not have.
const V8Error = Error as unknown as { captureStackTrace: (on: object, above: () => unknown) => void; prepareStackTrace?: unknown };
const { captureStackTrace } = V8Error;
const { defineProperty } = Object;

/** @returns what tells with what the last rejection was made, and forgets it */
export function installRejections(): () => RejectedWith {
  let last: object | undefined;
  /** A look at the stack has one written, which asks how, which would look again. */
  let looking = false;
  /** Code of the isolate that reads something stands above its getter in the stack; the cell does not. */
  const isReadFromOutside = (getter: () => unknown) => {
    if (looking) return false;
    looking = true;
    const at: { stack?: unknown } = Object.create(null) as object;
    try {
      captureStackTrace(at, getter);
      return typeof at.stack === 'string' && !at.stack.includes('\n');
    } catch {
      // An agent may format stacks itself, and fail at it.
      return false;
    } finally {
      looking = false;
    }
  };
  // oxlint-disable-next-line no-extend-native -- see above: there is no other way to see it
  defineReading(Object.prototype, 'stack', (of, get) => {
    if (isReadFromOutside(get)) last = of;
    return undefined;
  });
  const prepare = (error: object, sites: readonly { toString(): string }[]) => {
    last = error;
    return [headOf(error), ...sites.map((site) => `    at ${site.toString()}`)].join('\n');
  };
  defineReading(Error, 'prepareStackTrace', (_, get) => (isReadFromOutside(get) ? prepare : undefined));
  return () => {
    const value = last;
    last = undefined;
    if (value === undefined) return {};
    if (!isError(value)) return { what: short(value, LENGTH) };
    const stack = hasCauses(value) ? errorStack(value) : undefined;
    return stack === undefined ? {} : { stack };
  };
}

/** A property that is there for who reads it, and becomes an ordinary one of its own where somebody writes it. */
function defineReading(on: object, name: string, read: (of: object, get: () => unknown) => unknown): void {
  function get(this: object): unknown {
    return read(this, get);
  }
  function set(this: object, value: unknown): void {
    defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
  }
  defineProperty(on, name, { configurable: true, enumerable: false, get, set });
}

function hasCauses(error: Error): boolean {
  try {
    return causesOf(error).length > 0;
  } catch {
    return false;
  }
}

/** As V8 begins a stack. */
function headOf(error: object): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return '<error>';
  }
}
