/**
 * Removes, or makes repeatable, everything by which two executions of one journal could differ (ARCHITECTURE.md, "Crank and frame"):
 * garbage collection, threads, the machine's randomness, the memory limit.
 */
import type { HostFunctions } from '../abi.ts';
import { bare } from './bare.ts';

/** @param seed gives at least 32 hex digits; asked for when the first number is drawn */
function lateRandom(seed: () => string): () => number {
  let random: (() => number) | undefined;
  return () => (random ??= seededRandom(seed()))();
}

/**
 * Seeds Math.random with xoshiro128** (Blackman and Vigna, 2018). Not for secrets: `crypto` has its own generator.
 * @param seed at least 32 hex digits
 */
function seededRandom(seed: string): () => number {
  const word = (i: number) => Number.parseInt(seed.slice(i * 8, i * 8 + 8), 16) | 0;
  let a = word(0);
  let b = word(1);
  let c = word(2);
  let d = word(3) | 1;
  const rotl = (x: number, k: number) => (x << k) | (x >>> (32 - k));
  const next = () => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result;
  };
  // 53 bits, as V8's own Math.random
  return () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
}

/**
 * Removed from every isolate: the first four make garbage collection and threads observable, and WebAssembly's memory is not
 * counted by the heap limit.
 */
const REMOVED = ['WeakRef', 'FinalizationRegistry', 'Atomics', 'SharedArrayBuffer', 'WebAssembly'];

const BUFFERS = [
  'ArrayBuffer',
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float16Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
];

/** V8's messages for a buffer that could not be allocated. */
const REFUSED = /allocation failed|out of memory/i;

export function installDeterminism(global: typeof globalThis, seed: () => string, host: HostFunctions): void {
  for (const name of REMOVED) delete (global as unknown as Record<string, unknown>)[name];
  const define = (on: object, name: string, value: unknown) =>
    Object.defineProperty(on, name, { value, writable: true, enumerable: false, configurable: true });
  define(Math, 'random', lateRandom(seed));

  // Whether a buffer can still be allocated depends on the memory limit, which may differ on replay. A failed allocation
  // therefore ends the run instead of throwing an exception that the agent could react to. Proxies look native when asked for their source;
  // one handler serves all.
  const endIfRefused = (error: unknown): void => {
    if (error instanceof RangeError && REFUSED.test(error.message)) host.fault('memory', error.message);
  };
  const handler: ProxyHandler<new () => object> = bare({
    construct(target, args, newTarget) {
      try {
        return Reflect.construct(target, args, newTarget) as object;
      } catch (error) {
        endIfRefused(error);
        throw error;
      }
    },
    apply(target, self, args) {
      try {
        return Reflect.apply(target, self, args) as unknown;
      } catch (error) {
        endIfRefused(error);
        throw error;
      }
    },
  });
  const guarded = (inner: unknown) => new Proxy(inner as new () => object, handler);
  const scope = global as unknown as Record<string, { prototype: Record<string, unknown> } | undefined>;
  for (const name of BUFFERS) {
    const Host = scope[name];
    if (Host === undefined) continue;
    const Guarded = guarded(Host);
    // slice, map and the like find their species through `constructor`, so it must be the guarded class.
    define(Host.prototype, 'constructor', Guarded);
    define(global, name, Guarded);
  }
  const TypedArray = Object.getPrototypeOf(Uint8Array) as { readonly prototype: object };
  const places: [object, readonly string[]][] = [
    [ArrayBuffer.prototype, ['resize', 'slice', 'transfer', 'transferToFixedLength']],
    [TypedArray.prototype, ['filter', 'map', 'slice', 'toReversed', 'toSorted', 'with']],
    [TypedArray, ['from', 'of']],
    [Uint8Array, ['fromBase64', 'fromHex']],
  ];
  for (const [place, names] of places) {
    for (const name of names) {
      const inner = (place as Record<string, unknown>)[name];
      if (inner !== undefined) define(place, name, guarded(inner));
    }
  }
}
