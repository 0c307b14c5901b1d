/**
 * Error classes as agents see them. An error that came from the host says its class; hints of errors that the prelude
 * itself raises stand here, so that the host's table need not be in every isolate. errors.test.ts holds the two together.
 */
import type { ErrorData } from '@corral/protocol/errors';

export class CorralError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly retryable: boolean;
  /** The effect that failed, as the run numbers its effects. */
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

/** The class of that name; the same one each time, so that `instanceof` works between the prelude and the bundle. */
export function errorClass(name: string): CorralErrorConstructor {
  let made = classes.get(name);
  if (made === undefined) {
    made = name === 'CorralError' ? CorralError : ({ [name]: class extends CorralError {} }[name] as CorralErrorConstructor);
    Object.defineProperty(made.prototype, 'name', { value: name, configurable: true });
    classes.set(name, made);
  }
  return made;
}

/** The object for an error that came from the host as data. */
export function fromData(data: ErrorData): CorralError {
  return new (errorClass(data.class ?? 'CorralError'))(data);
}

/** Frames as V8 keeps them: they cost about a microsecond, and become text only when somebody reads it. */
export interface Origin {
  readonly stack?: unknown;
}
/** V8's own, kept from what an agent may put in its place. */
const { captureStackTrace } = Error as unknown as { captureStackTrace(this: void, target: object): void };

export function originHere(): Origin {
  const origin: Origin = {};
  captureStackTrace(origin);
  return origin;
}

/** Gives an error that came from the host the frames of the call that it answers. */
export function raisedAt(origin: Origin, error: CorralError): CorralError {
  let frames: string[] = [];
  try {
    // An agent can say how stacks are written, and then this is its code.
    frames = ownFrames(String(origin.stack))
      .split('\n')
      .filter((line) => /^\s+at /.test(line));
  } catch {
    return error;
  }
  const value = `${error.name}: ${error.message}${frames.map((frame) => `\n${frame}`).join('')}`;
  Object.defineProperty(error, 'stack', { value, writable: true, configurable: true, enumerable: false });
  return error;
}

export const GUEST_HINTS = {
  CORRAL_ARGS_INVALID: 'Compare the arguments with the tool’s input schema.',
  CORRAL_TIMED_OUT: 'Give the call a longer timeout_ms or ask for less.',
  CORRAL_CAP_NOT_GRANTED: 'Name the capability in the agent’s `uses`, and have the host grant it.',
  CORRAL_EFFECT_TOO_LARGE: 'Send less at a time, or raise message_bytes.',
  CORRAL_JSON_UNSUPPORTED:
    'Arguments and results are JSON: no functions, symbols, bigints, NaN, maps, sets, bytes or cycles, at most 64 levels deep.',
  CORRAL_INPUT_INVALID: 'Compare the input with the agent’s input schema.',
  CORRAL_OUTPUT_INVALID: 'The agent’s result does not fit its own output schema.',
  CORRAL_CHECKPOINT_BUSY: 'Await every call and child first, then checkpoint.',
  CORRAL_BUNDLE_INVALID: 'Fix the error it names and bundle again.',
  CORRAL_MANIFEST_INVALID: 'Compare the definition with the SDK’s types.',
  CORRAL_SCHEMA_INVALID: 'Use a schema that can be written as JSON Schema, within the limits on size and depth.',
} as const;

/** Their classes, where they have one. */
export const GUEST_CLASSES: { readonly [Code in keyof typeof GUEST_HINTS]?: ErrorData['class'] } = {
  CORRAL_ARGS_INVALID: 'InvalidArguments',
  CORRAL_JSON_UNSUPPORTED: 'InvalidArguments',
  CORRAL_TIMED_OUT: 'TimedOut',
};

/** An error that the prelude itself raises. */
export function raise(code: keyof typeof GUEST_HINTS, message: string, limit?: string): CorralError {
  const named = GUEST_CLASSES[code];
  return fromData({
    code,
    message,
    hint: GUEST_HINTS[code],
    retryable: code === 'CORRAL_TIMED_OUT',
    ...(named === undefined ? {} : { class: named }),
    ...(limit === undefined ? {} : { limit }),
  });
}

const OURS = /^\s+at .*corral:prelude:/;

/** A stack without our own frames: those move with every image, and a run that tells its stack must replay on the next one. */
export function ownFrames(stack: string): string {
  return String(stack)
    .split('\n')
    .filter((line) => !OURS.test(line))
    .join('\n');
}
