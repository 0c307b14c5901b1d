/**
 * The contract between the prelude, which every isolate starts with, and the SDK, which is bundled into agents. It is the frozen
 * global `corral`. The host trusts nothing that passes through it.
 */
import type { AgentContext, Uses } from './sdk/types.ts';
import type { CorralErrorConstructor } from './prelude/errors.ts';

export interface Abi {
  /** The class of errors of that name. */
  errorClass(name: string): CorralErrorConstructor;
  /**
   * The lowest layer: puts one effect into the crank's batch. With `id: 'next'` the effect is numbered and the promise settles
   * with its reply; otherwise it settles at once. The SDK needs nothing else. SDKs of other languages, and tests that misbehave
   * on purpose, may use it directly.
   */
  effect(effect: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Stands for `node:async_hooks` and drives lowered async functions. Only isolates of bundles that import it have it. */
  readonly asyncHooks?: AsyncHooks;
}

export interface AsyncHooks {
  readonly AsyncLocalStorage: unknown;
  readonly AsyncResource: unknown;
  /** In the place of esbuild's helper `__async`. */
  readonly run: (self: unknown, args: ArrayLike<unknown> | null, body: () => Generator) => Promise<unknown>;
  /** In the place of esbuild's helper `__asyncGenerator`; `Waits` is its class `__await`. */
  readonly generate: (self: unknown, args: ArrayLike<unknown> | null, body: () => Generator, Waits: unknown) => object;
  /** Functions that were not lowered, for code that asks one for its class. */
  readonly AsyncFunction: unknown;
  readonly AsyncGeneratorFunction: unknown;
}

/** Arguments that the cell passes to the prelude. Only strings, numbers and functions of the isolate cross. */
export interface HostFunctions {
  /** A function that evaluates a part of the image which is too large to be loaded into every isolate. @returns what the part exports */
  readonly part: (name: string) => () => unknown;
  /** Ends the isolate at once; the guest cannot catch this. For limits that a guest must not be able to avoid. */
  readonly fault: (kind: string, message: string) => void;
}

/** The run to which an isolate belongs. */
export interface RunConfig {
  /** Name of the agent within the bundle. */
  readonly agent: string;
  /** The time that code outside of any delivery sees. */
  readonly at: number;
  /** 32 bytes as hex. */
  readonly seed: string;
}

/** Facts that the cell passes to the prelude, as JSON. */
export interface PreludeConfig extends RunConfig {
  readonly message_bytes: number;
  /** For calls of models; absent: as for other effects. */
  readonly model_request_bytes?: number | undefined;
  readonly log_bytes: number;
  readonly effects_per_crank: number;
  /** Longest batch of effects. Characters, not counting one effect of the largest size. */
  readonly effects_bytes: number;
  /**
   * Whether the bundle uses Temporal. V8 creates it on first use, at a quarter of the cost of an isolate; bundles without it skip
   * that.
   */
  readonly temporal: boolean;
  /** Which globals the isolate has. */
  readonly image: ImageName;
  /** Whether the bundle's async functions are lowered, for `node:async_hooks`. */
  readonly async_context?: boolean;
  /** Whether `fetch` is there; absent for a bundle that does not name it. */
  readonly fetch?: FetchState;
  /** The run is one of a program that an agent made; see programScript. */
  readonly program?: true;
  /** Whether the AI SDK finds a default provider, which asks the run's models. */
  readonly ai_sdk?: boolean;
  /** Whether the agents of the bundle are told about their tools. */
  readonly describe_uses?: boolean;
}

/** `absent`: the bundle names `fetch`, and asks for no capability that answers it. */
export type FetchState = 'answered' | 'absent';

/**
 * The facts for an isolate that is made in advance, before there is a run. It loads the bundle; if that asks for the time or for
 * randomness, which are the run's, the isolate ends at once.
 */
export type SpareConfig = Omit<PreludeConfig, keyof RunConfig>;

/** `web`: the base with streams, files, and the classes of fetch. `node`: that with the globals of Node that packages read. */
export type ImageName = 'base' | 'web' | 'node';

/** A bundle has this text if a package in it imports a part of Node. */
export const IMPORTS_NODE = 'CORRAL_API_MISSING';

/** A bundle has this text if it imports `node:async_hooks`. */
export const ASYNC_HOOKS = 'globalThis.corral.asyncHooks';

/** A bundle has this text if it names `fetch`. One of before there was a fetch does not, so that its runs replay. */
export const NAMES_FETCH = 'CORRAL_FETCH';
/** A bundle has this text if it has the AI SDK, which asks a global provider for models that are named by a text. */
export const NAMES_AI_SDK = 'CORRAL_AI_SDK';
/** How a bundle asks for a capability that answers `fetch`. */
const ANSWERS_FETCH = /["'`](?:model:|http:[a-z0-9])/;
const ASKS_MODEL = /["'`]model:/;

/** The symbol under which a capability has what its tool says of itself. A bundle that reads it has this text. */
export const DECLARED = 'corral.declared';

const OF_WEB =
  /\b(?:(?:Readable|Writable|Transform)(?:Byte)?Stream\w*|(?:ByteLength|Count)QueuingStrategy|Text(?:En|De)coderStream|Blob|File|Headers|Request|Response|FormData)\b/;

/** The needs of a bundle, by the names in its text. */
export function needsOf(
  source: string,
): Pick<PreludeConfig, 'temporal' | 'image' | 'async_context' | 'fetch' | 'ai_sdk' | 'describe_uses'> {
  const fetch = source.includes(NAMES_FETCH) ? (ANSWERS_FETCH.test(source) ? 'answered' : 'absent') : undefined;
  return {
    temporal: source.includes('Temporal'),
    image: source.includes(IMPORTS_NODE) ? 'node' : OF_WEB.test(source) || fetch === 'answered' ? 'web' : 'base',
    ...(source.includes(ASYNC_HOOKS) ? { async_context: true } : {}),
    ...(source.includes(DECLARED) ? { describe_uses: true } : {}),
    ...(fetch === undefined ? {} : { fetch }),
    ...(fetch === 'answered' && source.includes(NAMES_AI_SDK) && ASKS_MODEL.test(source) ? { ai_sdk: true } : {}),
  };
}

/** Name of a program's script, which positions in it begin with. */
export const PROGRAM_FILE = 'program.js';

/** The scope of a program: an agent’s context without its purpose, which a program has not, and spawn, which it may not. */
const IN_SCOPE = Object.keys({
  run: true,
  input: true,
  state: true,
  caps: true,
  mailbox: true,
  messages: true,
  notices: true,
  budget: true,
  signal: true,
  emit: true,
  log: true,
  sleep: true,
  open: true,
  ask: true,
  checkpoint: true,
} satisfies Readonly<Record<Exclude<keyof AgentContext<unknown, Uses>, 'purpose' | 'spawn'>, true>>);

export interface ProgramScript {
  readonly text: string;
  /** The text before the program on its first line. Characters. */
  readonly columns: number;
}

/**
 * A program that an agent made, as a script: the body of an async function, whose lines keep their numbers. Names in its scope can be declared
 * again, because models write `const log = …`; those that it does not mention are left out, because `signal` costs something to make.
 */
export function programScript(source: string): ProgramScript {
  const named = IN_SCOPE.filter((name) => source.includes(name));
  const open = `var corralBundle = [({ ${named.join(', ')} }) => async () => { 'use strict'; `;
  return { text: `${open}${source}\n}];`, columns: open.length };
}

/**
 * The same program as the body of a method, which is compiled and never run. A program could close the function around it by a brace of its
 * own, and have the rest of it run outside. No text does so in both forms: after the brace that ends the function, the list above goes on with
 * `,` or `]`, and a class with neither.
 */
export function programMethod(source: string): ProgramScript {
  const open = `(class { async program() { 'use strict'; `;
  return { text: `${open}${source}\n} });`, columns: open.length };
}

/** Operations that the cell asks of the prelude. */
export const DELIVER = 0;
export const COLLECT = 1;
export const DESCRIBE = 2;
/** Asks about an unhandled rejection, by its name and message as JSON. The answer is a Rejected as JSON. */
export const REJECTED = 3;
/** Gives an isolate that was made in advance to a run; a RunConfig as JSON. */
export const BEGIN = 4;

/** An exception that left a delivery; the answer to DELIVER, as JSON. */
export interface Thrown {
  readonly message: string;
  readonly stack?: string;
}

export interface Rejected {
  /** The rejection is the consequence of a cancel: the agent is cleaning up, and goes on. */
  readonly follows_cancel: boolean;
  /** The rejected value, if it is an object and not an error. */
  readonly what?: string;
  /** The stack of an error with its causes, if it has any. */
  readonly stack?: string;
}
