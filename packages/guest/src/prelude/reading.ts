/**
 * Promises of an item that has not come yet, which know whether somebody still waits for them. The usual way to wait for a message with
 * a deadline is `Promise.race([messages.next(), sleep(20)])`: where the deadline wins, nobody will ever see what the promise settles with,
 * and a message given to it would be lost. Such a promise is skipped until somebody waits for it again.
 */

/** A race that a promise takes part in. */
interface Race {
  over: boolean;
}
type Use = Race | Reading<unknown>;

/** What a promise is used for, and whom to tell when it is used again. */
interface State {
  uses: Use[];
  readonly root: { again?: () => void };
}
const states = new WeakMap<Reading<unknown>, State>();
// oxlint-disable-next-line typescript/unbound-method -- applied to promises, past what the class below makes of it
const { then } = Promise.prototype;
/** Races are native until there is something to wait for. */
let isNeeded = false;

export class Reading<T> extends Promise<T> {
  /** @param again called each time somebody begins to wait for it, or for what was made of it */
  static of<T>(executor: ConstructorParameters<typeof Promise<T>>[0], again: () => void): Reading<T> {
    isNeeded = true;
    const made = new Reading<T>(executor);
    states.set(made, { uses: [], root: { again } });
    return made;
  }

  /** `await`, `catch` and `finally` come this way too: for them this is not a plain promise. */
  // oxlint-disable-next-line unicorn/no-thenable -- it is a promise
  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const made = super.then(fulfilled, rejected) as Promise<A | B> & Reading<A | B>;
    const state = states.get(this);
    if (state !== undefined) {
      states.set(made, { uses: [], root: state.root });
      use(state, made);
    }
    return made;
  }
}

function use(state: State, by: Use): void {
  state.uses = [...state.uses.filter(isAlive), by];
  state.root.again?.();
}

const isAlive = (by: Use): boolean => (by instanceof Reading ? isAwaited(by) : !by.over);

/** Whether somebody may still see what it settles with. Nobody has looked at it yet: then somebody will. */
export function isAwaited(reading: Reading<unknown>): boolean {
  const { uses } = states.get(reading) as State;
  return uses.length === 0 || uses.some(isAlive);
}

/** Makes Promise.race and Promise.any say when they are over. For everything else they stay as they are. */
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
          // Not by the method of the class, which would count it as a use that lasts.
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
