/** The globals an agent expects from a JavaScript host, and that V8 alone does not have. Heavy ones arrive on first use. */
import type { HostFunctions } from '../abi.ts';
import type { Effects } from './effects.ts';
import { ownFrames } from './errors.ts';
import type { Timers } from './timers.ts';

/** Which part of the image brings which globals. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  web: [
    'structuredClone',
    'TextEncoder',
    'TextDecoder',
    'Event',
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

export function installGlobals(global: typeof globalThis, effects: Effects, timers: Timers, host: HostFunctions, seed: string): void {
  const define = (name: string, value: unknown) =>
    Object.defineProperty(global, name, { value, writable: true, enumerable: false, configurable: true });

  const evaluate = global.eval;
  for (const [part, names] of Object.entries(PARTS)) {
    const load = () => {
      // Libraries look around before they define anything; without this line they would come back here for ever.
      for (const name of names) define(name, undefined);
      // Each part is a script whose value is a function from what it needs to the globals it brings.
      const made = (evaluate(host.part(part)) as (needs: object) => Record<string, unknown>)({ seed, timers });
      for (const name of names) define(name, made[name]);
    };
    for (const name of names) {
      Object.defineProperty(global, name, {
        configurable: true,
        enumerable: false,
        get() {
          load();
          return (global as unknown as Record<string, unknown>)[name];
        },
        set(value: unknown) {
          define(name, value);
        },
      });
    }
  }

  define('queueMicrotask', (then: () => void) => void Promise.resolve().then(then));
  define('setTimeout', (then: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => timers.start(ms, () => then(...args)));
  define('setInterval', (then: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => timers.repeat(ms, () => then(...args)));
  define('clearTimeout', (handle: number) => timers.stop(handle));
  define('clearInterval', (handle: number) => timers.stop(handle));

  const log =
    (level: string) =>
    (...parts: unknown[]) =>
      effects.log(level, parts.map((part) => show(part)).join(' '));
  define(
    'console',
    Object.freeze({
      debug: log('debug'),
      log: log('info'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
      trace: log('debug'),
    }),
  );
}

/** A value as a log line shows it. */
function show(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.stack === undefined ? `${value.name}: ${value.message}` : ownFrames(value.stack);
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return JSON.stringify(value, (_, member: unknown) => {
      if (typeof member === 'bigint') return `${member}n`;
      if (member instanceof Map) return { Map: [...(member as Map<unknown, unknown>)] };
      if (member instanceof Set) return { Set: [...(member as Set<unknown>)] };
      return member;
    });
  } catch {
    return Object.prototype.toString.call(value);
  }
}
