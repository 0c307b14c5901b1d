/**
 * Lets the cell know what a promise was rejected with where that is no error. Of a rejection that nobody handled isolated-vm reads
 * `message` and `stack`, and of an object that has neither it says nothing; no code of the isolate runs any more then but getters.
 * So objects inherit a `stack`. It is undefined for all, and the object of which it was read from outside is remembered.
 */
import { isError, short } from './inspect.ts';

const LENGTH = 1000;

/** @returns what tells with what the last rejection was made, if that is an object and no error, and forgets it */
export function installRejections(): () => string | undefined {
  let last: string | undefined;
  // V8's own, which the types of the language do not have.
  const { captureStackTrace } = Error as unknown as { captureStackTrace: (on: object, above: () => unknown) => void };
  const descriptor: PropertyDescriptor = {
    configurable: true,
    enumerable: false,
    get(this: unknown) {
      if (!isError(this) && isReadFromOutside()) last = short(this, LENGTH);
      return undefined;
    },
    set(this: object, value: unknown) {
      Object.defineProperty(this, 'stack', { value, writable: true, enumerable: true, configurable: true });
    },
  };
  const { get } = descriptor as { get: () => unknown };
  /** Code of the isolate that reads it stands above it in the stack; the cell does not. */
  const isReadFromOutside = () => {
    const at: { stack?: unknown } = Object.create(null) as object;
    try {
      captureStackTrace(at, get);
      return typeof at.stack === 'string' && !at.stack.includes('\n');
    } catch {
      // An agent may format stacks itself, and fail at it.
      return false;
    }
  };
  // oxlint-disable-next-line no-extend-native -- see above: there is no other way to see it
  Object.defineProperty(Object.prototype, 'stack', descriptor);
  return () => {
    const what = last;
    last = undefined;
    return what;
  };
}
