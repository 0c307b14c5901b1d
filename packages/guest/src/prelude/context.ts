/** Asynchronous contexts, for `AsyncLocalStorage`. Isolates of bundles that do not import it have none, and pay for none. */
import type { AsyncHooks, HostFunctions } from '../abi.ts';
import { $thenIs } from './bound.ts';

interface Part {
  readonly bind: <T>(work: T) => T;
  readonly then: unknown;
  readonly resolve: unknown;
  readonly hooks: AsyncHooks;
}

/** Binds a callback of the agent to the context of now. */
export let inContext = <T>(work: T): T => work;

/** Replaces what V8 calls when a promise is settled. Must come before any code of the agent. */
export function installContext(global: typeof globalThis, host: HostFunctions): AsyncHooks {
  const { bind, then, resolve, hooks } = (host.part('context')() as () => Part)();
  const define = (on: object, name: string, value: unknown) =>
    Object.defineProperty(on, name, { value, writable: true, enumerable: false, configurable: true });
  define(Promise.prototype, 'then', then);
  define(Promise, 'resolve', resolve);
  $thenIs(then);
  inContext = bind;
  return Object.freeze(hooks);
}
