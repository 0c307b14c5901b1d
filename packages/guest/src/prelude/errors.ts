/**
 * Error classes as agents see them. An error from the host names its class. Hints of errors that the prelude itself raises are
 * repeated here, so that the host's table need not be in every isolate; errors.test.ts checks that both agree.
 */
import type { ErrorData } from '@corral/protocol/errors';
import { bare } from './bare.ts';

export class CorralError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly retryable: boolean;
  /** Number of the effect that failed. */
  readonly callId: number | undefined;
  /** For BudgetExceeded: which limit. */
  readonly limit: string | undefined;

  constructor(data: ErrorData) {
    super(data.message);
    this.code = data.code;
    this.hint = data.hint;
    this.retryable = data.retryable;
    this.callId = data.call;
    this.limit = data.limit;
  }
}
export type CorralErrorConstructor = new (data: ErrorData) => CorralError;

const classes = new Map<string, CorralErrorConstructor>();

/** The class of that name; always the same one, so that `instanceof` works between the prelude and the bundle. */
export function errorClass(name: string): CorralErrorConstructor {
  let made = classes.get(name);
  if (made === undefined) {
    made = name === 'CorralError' ? CorralError : ({ [name]: class extends CorralError {} }[name] as CorralErrorConstructor);
    Object.defineProperty(made.prototype, 'name', { value: name, configurable: true });
    classes.set(name, made);
  }
  return made;
}

/** The object for an error that the host sent as data. */
export function fromData(data: ErrorData): CorralError {
  return new (errorClass(bare(data).class ?? 'CorralError'))(data);
}

/** A captured stack: this takes about a microsecond, and becomes text only when it is read. */
export interface Origin {
  readonly stack?: unknown;
}
/** V8's own function, taken before an agent can replace it. */
const { captureStackTrace } = Error as unknown as { captureStackTrace(this: void, target: object): void };

/** V8 reads these for the first line, which nobody uses; it would else read those of Object.prototype. */
const HEADLESS: Origin & Record<'name' | 'message', undefined> = { name: undefined, message: undefined };

export function originHere(): Origin {
  const origin: Origin = { ...HEADLESS };
  captureStackTrace(origin);
  return origin;
}

const FRAME = /^\s+at /;

/** Gives an error from the host the frames of the call that it answers. */
export function raisedAt(origin: Origin, error: CorralError): CorralError {
  let frames: string[] = [];
  try {
    // An agent may define how stacks are formatted; then this line runs its code, which may throw.
    frames = ownFrames(String(origin.stack))
      .split('\n')
      .filter((line) => FRAME.test(line));
  } catch {
    return error;
  }
  const value = `${error.name}: ${error.message}${frames.map((frame) => `\n${frame}`).join('')}`;
  Object.defineProperty(error, 'stack', { value, writable: true, enumerable: false, configurable: true });
  return error;
}

/** A function, because a table would be made in every isolate. */
export const guestHints = () =>
  ({
    CORRAL_ARGS_INVALID: 'Compare the arguments with the tool’s input schema.',
    CORRAL_TIMED_OUT: 'Give the call a longer timeout_ms or ask for less.',
    CORRAL_CAP_NOT_GRANTED: 'Name the capability in the agent’s `uses`, and have the host grant it.',
    CORRAL_EFFECT_TOO_LARGE: 'Send less at a time, or raise `ceilings: { message_bytes }` of the agent.',
    CORRAL_JSON_UNSUPPORTED:
      'Arguments and results are JSON: no functions, symbols, bigints, NaN, maps, sets, bytes or cycles, at most 64 levels deep.',
    CORRAL_INPUT_INVALID: 'Compare the input with the agent’s input schema.',
    CORRAL_OUTPUT_INVALID: 'The agent’s result does not fit its own output schema.',
    CORRAL_CHECKPOINT_BUSY: 'Await every call and child first, then checkpoint.',
    CORRAL_BUNDLE_INVALID: 'Fix the error it names and bundle again.',
    CORRAL_MANIFEST_INVALID: 'Compare the definition with the SDK’s types.',
    CORRAL_SCHEMA_INVALID: 'Use a schema that can be written as JSON Schema, within the limits on size and depth.',
  }) as const;
type GuestCode = keyof ReturnType<typeof guestHints>;

/** Classes of these errors, where they have one. */
export const guestClasses = (): { readonly [Code in GuestCode]?: ErrorData['class'] } =>
  bare({
    CORRAL_ARGS_INVALID: 'InvalidArguments',
    CORRAL_JSON_UNSUPPORTED: 'InvalidArguments',
    CORRAL_TIMED_OUT: 'TimedOut',
  });

/** An error that the prelude itself raises. */
export function raise(code: GuestCode, message: string, limit?: string): CorralError {
  const named = guestClasses()[code];
  return fromData({
    code,
    message,
    hint: guestHints()[code],
    retryable: code === 'CORRAL_TIMED_OUT',
    ...(named === undefined ? {} : { class: named }),
    ...(limit === undefined ? {} : { limit }),
  });
}

const OURS = /^\s+at .*corral:prelude[:/]/;

/**
 * A stack without frames of the prelude: those change with every image, and a run that outputs its stack must replay on the next
 * image.
 */
export function ownFrames(stack: string): string {
  return String(stack)
    .split('\n')
    .filter((line) => !OURS.test(line))
    .join('\n');
}
