/**
 * Removes, or makes repeatable, everything by which two executions of one journal could differ (ARCHITECTURE.md, "Crank and frame"):
 * garbage collection, threads, the machine's randomness, the memory limit.
 */
import type { HostFunctions } from '../abi.ts';

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

export function installDeterminism(global: typeof globalThis, seed: string, host: HostFunctions): void {
  for (const name of REMOVED) delete (global as unknown as Record<string, unknown>)[name];
  Object.defineProperty(Math, 'random', { value: seededRandom(seed), writable: true, enumerable: false, configurable: true });

  // Whether a buffer can still be allocated depends on the memory limit, which may differ on replay. A failed allocation
  // therefore ends the run instead of throwing an exception that the agent could react to.
  const guard =
    (inner: (...args: never[]) => unknown) =>
    (...args: never[]): unknown => {
      try {
        return inner(...args);
      } catch (error) {
        if (error instanceof RangeError && REFUSED.test(error.message)) host.fault('memory', error.message);
        throw error;
      }
    };
  const scope = global as unknown as Record<string, { prototype: Record<string, unknown> } | undefined>;
  for (const name of BUFFERS) {
    const Host = scope[name];
    if (Host === undefined) continue;
    const construct = guard(Reflect.construct);
    const Guarded = new Proxy(Host as unknown as new () => object, {
      construct: (target, args, newTarget) => construct(target as never, args as never, newTarget as never) as object,
    });
    // slice, map and the like find their species through `constructor`, so it must be the guarded class.
    Object.defineProperty(Host.prototype, 'constructor', { value: Guarded, writable: true, enumerable: false, configurable: true });
    Object.defineProperty(global, name, { value: Guarded, writable: true, enumerable: false, configurable: true });
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
      const inner = (place as Record<string, ((...args: never[]) => unknown) | undefined>)[name];
      if (inner === undefined) continue;
      const call = guard((self: never, args: never) => Reflect.apply(inner, self, args));
      Object.defineProperty(place, name, {
        value: {
          [name](this: unknown, ...args: unknown[]) {
            return call(this as never, args as never);
          },
        }[name],
        writable: true,
        enumerable: false,
        configurable: true,
      });
    }
  }
}
