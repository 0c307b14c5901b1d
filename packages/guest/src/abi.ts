/**
 * The contract between the prelude, which an isolate is born with, and the SDK, which is bundled into agents.
 * It is the frozen global `corral`. Nothing that passes through it is trusted by the host.
 */
import type { CorralErrorConstructor } from './prelude/errors.ts';

export interface Abi {
  /** The class of errors of that name. */
  errorClass(name: string): CorralErrorConstructor;
  /**
   * The lowest layer: puts one effect, as DESIGN's words define them, into the crank's batch. With `id: 'next'` the
   * effect is numbered and the promise settles with its reply; otherwise it settles at once. The SDK needs nothing else.
   * Other languages' SDKs, and tests that misbehave on purpose, may use it directly.
   */
  effect(effect: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** What the cell hands to the prelude. Only strings and numbers cross. */
export interface HostFunctions {
  /** Source of a part of the image that is too heavy to be born with. */
  readonly part: (name: string) => string;
  /** Ends the isolate at once, uncatchably: for limits that a guest must not be able to talk its way out of. */
  readonly fault: (kind: string, message: string) => void;
}

/** What the cell tells the prelude about the run; handed over as JSON. */
export interface PreludeConfig {
  readonly agent: string;
  readonly at: number;
  /** 32 bytes as hex. */
  readonly seed: string;
  readonly message_bytes: number;
  readonly log_bytes: number;
  readonly effects_per_crank: number;
  /** Longest batch of effects, besides one of `message_bytes`. */
  readonly effects_bytes: number;
  /** Whether the bundle names Temporal. V8 makes it on first touch, at a quarter of what an isolate costs; others go without. */
  readonly temporal: boolean;
}

/** What the cell asks of the prelude. */
export const DELIVER = 0;
export const COLLECT = 1;
export const DESCRIBE = 2;
/** Asked about a rejection that nobody handled, by its name and message as JSON. Answered with a Rejected as JSON. */
export const REJECTED = 3;

/** What was thrown out of a delivery; the answer to DELIVER, as JSON. */
export interface Thrown {
  readonly message: string;
  readonly stack?: string;
}

export interface Rejected {
  /** It follows from a cancel: the agent is tidying up, and goes on. */
  readonly follows_cancel: boolean;
  /** What it was made with, where that is an object and no error. */
  readonly what?: string;
  /** The stack of an error with its causes, where it has some. */
  readonly stack?: string;
}
