/**
 * Gives the cell more information about an unhandled rejection than isolated-vm reports. isolated-vm reads `message` and `stack`
 * of the rejected value; after that no code of the isolate runs except what V8 calls for these two:
 * - For an object with neither, it reports nothing. So objects inherit a getter `stack` here: it returns undefined, and remembers
 * the object if it was read from outside.
 * - For an error, it does not report causes. V8 formats a stack when it is first read, and calls `Error.prepareStackTrace` for
 * that. So that function is defined here for readers from outside only: it formats as V8 does, and remembers the error. An error
 * whose stack was read before, or whose agent formats stacks itself, is reported without its causes.
 */
import { errorStack } from './describe.ts';
import { causesOf, isError, short } from './inspect.ts';

const LENGTH = 1000;

/** Facts about the last rejection; if both are absent, isolated-vm's own report is all there is. */
export interface RejectedWith {
  /** The rejected value was an object and not an error. */
  readonly what?: string;
  /** The rejected value was an error with causes. */
  readonly stack?: string;
}

// V8's own functions, which TypeScript's types lack.
const V8Error = Error as unknown as { captureStackTrace: (on: object, above: () => unknown) => void; prepareStackTrace?: unknown };
const { captureStackTrace } = V8Error;
const { defineProperty } = Object;

/** @returns a function that describes the value of the last rejection, and forgets it */
export function installRejections(): () => RejectedWith {
  let last: object | undefined;
  /** Set while this reads a stack: reading formats it, which would come back here. */
  let looking = false;
  /** If code of the isolate reads the property, its frame is above the getter's in the stack; if the cell does, there is none. */
  const isReadFromOutside = (getter: () => unknown) => {
    if (looking) return false;
    looking = true;
    const at: { stack?: unknown } = Object.create(null) as object;
    try {
      captureStackTrace(at, getter);
      return typeof at.stack === 'string' && !at.stack.includes('\n');
    } catch {
      // An agent's own formatter of stacks may throw.
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

/** A property with a getter, which becomes an ordinary own property when it is assigned. */
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

/** The first line of V8's stack. */
function headOf(error: object): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return '<error>';
  }
}
