/**
 * Promises of an item that has not arrived, which know whether anybody still waits for them. The usual way to wait for a message
 * with a deadline is `Promise.race([messages.next(), sleep(20)])`: when the deadline wins, nobody will see what the other promise
 * settles with, and a message given to it would be lost. Such a promise is skipped until it is awaited again.
 */

import { inContext } from './context.ts';

/** A race that a promise takes part in. */
interface Race {
  over: boolean;
}
type Use = Race | Reading<unknown>;

/** The uses of a promise, and the callback for a new use. */
interface State {
  uses: Use[];
  readonly root: { again?: () => void };
}
const states = new WeakMap<Reading<unknown>, State>();
// oxlint-disable-next-line typescript/unbound-method -- applied to promises directly, so that the class below does not count it
const { then } = Promise.prototype;
/** Promise.race and Promise.any stay native until the first Reading exists. */
let isNeeded = false;

export class Reading<T> extends Promise<T> {
  /** @param again called each time something begins to wait for this promise, or for one derived from it */
  static of<T>(executor: ConstructorParameters<typeof Promise<T>>[0], again: () => void): Reading<T> {
    isNeeded = true;
    const made = new Reading<T>(executor);
    states.set(made, { uses: [], root: { again } });
    return made;
  }

  /** Reads what `then` makes; an agent may have replaced that of Promise. */
  static override get [Symbol.species]() {
    return Reading;
  }

  /** `await`, `catch` and `finally` call this too, because this is not a plain promise for them. */
  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const made = then.call(this, inContext(fulfilled), inContext(rejected)) as Promise<A | B> & Reading<A | B>;
    const state = states.get(this);
    if (state !== undefined) {
      states.set(made, { uses: [], root: state.root });
      use(state, made);
    }
    return made;
  }
}

// An agent reaches the class by its instances.
for (const reached of [Reading, Reading.prototype] as readonly object[]) Object.freeze(reached);

function use(state: State, by: Use): void {
  state.uses = [...state.uses.filter(isAlive), by];
  state.root.again?.();
}

const isAlive = (by: Use): boolean => (by instanceof Reading ? isAwaited(by) : !by.over);

/** Whether anything may still see what the promise settles with. A promise that was not used yet counts as awaited. */
export function isAwaited(reading: Reading<unknown>): boolean {
  const { uses } = states.get(reading) as State;
  return uses.length === 0 || uses.some(isAlive);
}

/** Makes Promise.race and Promise.any record when they are over. Otherwise they work as before. */
export function installRaces(): void {
  const define = (name: 'race' | 'any', ends: (race: Race) => [fulfilled: () => void, rejected: () => void]) => {
    const native = Promise[name] as (this: unknown, items: Iterable<unknown>) => Promise<unknown>;
    const value = {
      [name](this: unknown, items: Iterable<unknown>) {
        if (!isNeeded || typeof items?.[Symbol.iterator] !== 'function') return native.call(this, items);
        const race: Race = { over: false };
        const [fulfilled, rejected] = ends(race);
        let entries: unknown[];
        try {
          entries = [...items];
        } catch (error) {
          return Promise.reject(error);
        }
        const entered = entries.map((item) => {
          const state = item instanceof Reading ? states.get(item) : undefined;
          if (state !== undefined) use(state, race);
          const promise = item instanceof Reading ? item : Promise.resolve(item);
          // The native method, because the class's own would count this as a lasting use.
          void then.call(promise, fulfilled, rejected);
          return then === promise.then ? promise : then.call(promise, undefined, undefined);
        });
        return native.call(this, entered);
      },
    }[name];
    Object.defineProperty(Promise, name, { value, writable: true, enumerable: false, configurable: true });
  };
  const end = (race: Race) => () => {
    race.over = true;
  };
  define('race', (race) => [end(race), end(race)]);
  define('any', (race) => [end(race), () => undefined]);
}
