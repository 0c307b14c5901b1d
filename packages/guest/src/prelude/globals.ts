/** Globals that agents expect from a JavaScript host and that V8 alone does not have. Large ones are loaded on first use. */
import type { HostFunctions, ImageName } from '../abi.ts';
import { inContext } from './context.ts';
import type { Reach } from './reach.ts';
import type { Timers } from './timers.ts';

type Parts = Readonly<Record<string, readonly string[]>>;

/** Which part of the image defines which globals. */
const PARTS: Parts = {
  web: [
    'structuredClone',
    'TextEncoder',
    'TextDecoder',
    'Event',
    'CustomEvent',
    'EventTarget',
    'AbortController',
    'AbortSignal',
    'DOMException',
    'atob',
    'btoa',
  ],
  url: ['URL', 'URLSearchParams'],
  crypto: ['crypto'],
};

/** Those that only the image `web` has. They are in the isolate of a bundle that names one of them. */
export const WEB_PARTS: Parts = {
  streams: [
    'ReadableStream',
    'ReadableStreamDefaultReader',
    'ReadableStreamBYOBReader',
    'ReadableStreamDefaultController',
    'ReadableByteStreamController',
    'ReadableStreamBYOBRequest',
    'WritableStream',
    'WritableStreamDefaultWriter',
    'WritableStreamDefaultController',
    'TransformStream',
    'TransformStreamDefaultController',
    'ByteLengthQueuingStrategy',
    'CountQueuingStrategy',
    'TextEncoderStream',
    'TextDecoderStream',
  ],
  blob: ['Blob', 'File'],
  fetch: ['Headers', 'Request', 'Response', 'FormData'],
};

/** Those that the image `node` has besides. */
const NODE_PARTS: Parts = {
  node: ['process', 'setImmediate', 'clearImmediate'],
};

const FETCH_PARTS: Parts = { fetching: ['fetch'] };
const AI_PARTS: Parts = { ai: ['AI_SDK_DEFAULT_PROVIDER'] };

const partsOf = ({ image, reach, ai_sdk }: GlobalNeeds): Parts =>
  image === 'base'
    ? PARTS
    : {
        ...PARTS,
        ...WEB_PARTS,
        ...(image === 'node' ? NODE_PARTS : {}),
        ...(reach === undefined ? {} : FETCH_PARTS),
        ...(ai_sdk ? AI_PARTS : {}),
      };

/** Cancels what waits for its signal. */
export interface Cancel {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
}
/** Members of the part `web` that the prelude itself uses. */
export interface WebPart {
  readonly DOMException: new (message: string, name: string) => Error;
  readonly makeCancel: () => Cancel;
}

interface GlobalNeeds {
  readonly timers: Timers;
  readonly host: HostFunctions;
  readonly seed: () => string;
  readonly console: object;
  readonly image: ImageName;
  /** The tools that `fetch` can ask; undefined: there is no fetch. */
  readonly reach: Reach | undefined;
  /** Whether the bundle has the AI SDK, and models to ask. */
  readonly ai_sdk: boolean;
}

/** @returns the part `web`, loaded at the first call */
export function installGlobals(global: typeof globalThis, needs: GlobalNeeds): () => WebPart {
  const { timers, host, seed, console, reach } = needs;
  const define = (name: string, value: unknown) =>
    Object.defineProperty(global, name, { value, writable: true, enumerable: false, configurable: true });

  /** Nobody awaits a listener, so that its exception would be lost without a line in the log. */
  const report = (error: unknown) =>
    (console as { readonly error: (...parts: unknown[]) => void }).error('A listener of an event threw:', error);
  /** Loads a part on behalf of another part. */
  const more = (part: string): unknown => host.part(part)();
  const loaded = new Map<string, Record<string, unknown>>();
  const loaders = new Map<string, () => Record<string, unknown>>();
  const accessors = new Map<string, () => unknown>();
  const web = (): unknown => (loaders.get('web') as () => Record<string, unknown>)();
  for (const [part, names] of Object.entries(partsOf(needs))) {
    const load = () => {
      const before = loaded.get(part);
      if (before !== undefined) return before;
      // A name that the agent has given to something else stays as it is.
      const open = names.filter((name) => accessors.get(name) === Object.getOwnPropertyDescriptor(global, name)?.get);
      // Libraries read globals before they define any; without this line that would load the part again, without end.
      for (const name of open) define(name, undefined);
      // The value of each part is a function from its dependencies to the globals it defines.
      const made = (more(part) as (needs: object) => Record<string, unknown>)({ seed, timers, more, loaded, report, reach, web });
      for (const name of open) {
        const value = made[name];
        // The build shortens the names of classes, and libraries compare them.
        if (typeof value === 'function') Object.defineProperty(value, 'name', { value: name, configurable: true });
        define(name, value);
      }
      loaded.set(part, made);
      return made;
    };
    loaders.set(part, load);
    for (const name of names) {
      const get = () => load()[name];
      const set = (value: unknown) => void define(name, value);
      accessors.set(name, get);
      Object.defineProperty(global, name, { get, set, enumerable: false, configurable: true });
    }
  }

  define('queueMicrotask', (then: () => void) => {
    const call = inContext(callback('queueMicrotask', then));
    void Promise.resolve().then(() => call());
  });
  define('setTimeout', (then: Callback, ms?: unknown, ...args: unknown[]) => {
    const call = callback('setTimeout', then);
    return timers.start(delay(ms), () => call(...args));
  });
  define('setInterval', (then: Callback, ms?: unknown, ...args: unknown[]) => {
    const call = callback('setInterval', then);
    return timers.repeat(delay(ms), () => call(...args));
  });
  const clear = (handle: unknown) => {
    const id = typeof handle === 'symbol' || typeof handle === 'bigint' ? Number.NaN : Number(handle);
    timers.stop(id);
  };
  define('clearTimeout', clear);
  define('clearInterval', clear);
  define('console', console);
  return web as () => WebPart;
}

type Callback = (...args: unknown[]) => void;

/** A string is not evaluated as code. */
function callback(name: string, then: unknown): Callback {
  if (typeof then !== 'function')
    throw new TypeError(`${name}: the callback must be a function, not ${then === null ? 'null' : typeof then}.`);
  return then as Callback;
}

/** Converts as the HTML standard does: to a number; NaN, negative and infinite values become 0. */
function delay(ms: unknown): number {
  const number = ms === undefined ? 0 : +(ms as number);
  return Number.isFinite(number) && number > 0 ? number : 0;
}
