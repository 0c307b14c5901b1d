/**
 * Programs about asynchronous contexts, and what runs them: the same file in Node and in an isolate. A program is a tree; each read of the
 * storages is put into the trace of its branch, so that the result does not depend on which timer fires first.
 */
// oxlint-disable typescript/await-thenable, unicorn/no-unnecessary-await, unicorn/no-thenable, typescript/no-misused-promises -- all that an await can meet is what is tested

/** The part of `node:async_hooks` that programs use. */
export interface Hooks {
  readonly AsyncLocalStorage: {
    new (options?: { readonly defaultValue?: unknown; readonly name?: string }): Storage;
    bind<F>(work: F): F;
    snapshot(): <T>(work: () => T) => T;
  };
  readonly AsyncResource: {
    new (type: string): { runInAsyncScope<T>(work: () => T, self?: unknown): T; bind<F>(work: F): F };
    bind<F>(work: F): F;
  };
}
interface Storage {
  readonly name: string;
  getStore(): unknown;
  run<T>(value: unknown, work: () => T): T;
  exit<T>(work: () => T): T;
  enterWith(value: unknown): void;
  disable(): void;
  withScope(value: unknown): { dispose(): void };
}

/** The ways in which a branch waits or is called back. */
export const WAITS = [
  'nothing',
  'null',
  'promise',
  'timer',
  'interval',
  'microtask',
  'thenable',
  'lateThenable',
  'returnedThenable',
  'resolvedThenable',
  'subclass',
  'rejected',
  'throwingThenable',
  'all',
  'settled',
  'race',
  'any',
  'then',
  'catch',
  'finally',
  'thenOfThenable',
  'resolvers',
  'tried',
  'listener',
  'abort',
] as const;
/** The ways in which a branch contains those below it. */
export const FRAMES = [
  'run',
  'exit',
  'enter',
  'scope',
  'async',
  'asyncMethod',
  'try',
  'generator',
  'delegated',
  'forAwait',
  'forAwaitSync',
  'leftLoop',
  'concurrent',
  'snapshot',
  'bind',
  'resource',
  'later',
  'thrown',
  'disposed',
] as const;

export type Program =
  | { readonly wait: (typeof WAITS)[number]; readonly other: number }
  | { readonly frame: (typeof FRAMES)[number]; readonly value: number; readonly body: readonly Program[] };

class Sub<T> extends Promise<T> {
  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    seen?.();
    return super.then(fulfilled, rejected);
  }
}
/** Reads the context where a promise of the class above is asked for its `then`. */
let seen: (() => void) | undefined;

export function interpreter({ AsyncLocalStorage, AsyncResource }: Hooks) {
  const one = new AsyncLocalStorage({ name: 'one' });
  const two = new AsyncLocalStorage({ defaultValue: 'default' });
  type Trace = unknown[];
  const read = (trace: Trace) => void trace.push([one.getStore() ?? null, two.getStore() ?? null]);
  const reads = (trace: Trace) => () => read(trace);
  const timer = (trace: Trace) => new Promise<void>((resolve) => setTimeout(() => (read(trace), resolve()), 1));
  const thenable = (trace: Trace, isLate = false): PromiseLike<number> => ({
    then(fulfilled) {
      read(trace);
      if (isLate) setTimeout(() => fulfilled?.(1), 1);
      else fulfilled?.(1);
      return undefined as never;
    },
  });
  const rejection = async () => {
    await null;
    throw new Error('x');
  };

  const waits: Record<(typeof WAITS)[number], (trace: Trace) => unknown> = {
    nothing: () => undefined,
    null: async () => await null,
    promise: () => Promise.resolve(1),
    timer,
    interval: (trace) =>
      new Promise<void>((resolve) => {
        let n = 0;
        const id = setInterval(() => {
          read(trace);
          if (++n < 2) return;
          clearInterval(id);
          resolve();
        }, 1);
      }),
    microtask: (trace) => new Promise<void>((resolve) => queueMicrotask(() => (read(trace), resolve()))),
    thenable: (trace) => thenable(trace),
    lateThenable: (trace) => thenable(trace, true),
    returnedThenable: async (trace) => thenable(trace),
    resolvedThenable: (trace) => Promise.resolve(thenable(trace)),
    subclass: async (trace) => {
      seen = reads(trace);
      const made = new Sub<number>((resolve) => resolve(1));
      const waited = made.then(() => read(trace));
      seen = undefined;
      await waited;
    },
    rejected: async (trace) => {
      try {
        await rejection();
      } catch {
        read(trace);
      } finally {
        read(trace);
      }
    },
    throwingThenable: async (trace) => {
      try {
        await Object.defineProperty({}, 'then', {
          get() {
            throw new Error('no then');
          },
        });
      } catch (error) {
        trace.push((error as Error).message);
        read(trace);
      }
    },
    all: async (trace) => void trace.push(await Promise.all([timer([]), 1, thenable([])]).then((all) => all.length)),
    settled: (trace) => Promise.allSettled([rejection(), timer([])]).then(reads(trace)),
    race: (trace) => Promise.race([timer([]), new Promise(() => undefined)]).then(reads(trace)),
    any: (trace) => Promise.any([rejection(), timer([])]).then(reads(trace)),
    then: (trace) => timer([]).then(reads(trace)).then(reads(trace), undefined),
    catch: (trace) => rejection().catch(reads(trace)),
    finally: (trace) => timer([]).finally(reads(trace)).then(reads(trace)),
    thenOfThenable: (trace) => Promise.resolve().then(() => thenable(trace)),
    resolvers: async (trace) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      one.run('elsewhere', () => queueMicrotask(resolve));
      await promise;
      read(trace);
    },
    tried: async (trace) => await Promise.try(async () => (read(trace), await null, read(trace))),
    listener: async (trace) => {
      const target = new EventTarget();
      one.run('added', () => target.addEventListener('x', () => read(trace)));
      target.dispatchEvent(new Event('x'));
    },
    abort: async (trace) => {
      const controller = new AbortController();
      one.run('added', () => controller.signal.addEventListener('abort', () => read(trace)));
      await null;
      controller.abort();
    },
  };

  type Body = (trace: Trace) => Promise<void>;
  const frames: Record<(typeof FRAMES)[number], (trace: Trace, value: number, body: Body) => unknown> = {
    run: (trace, value, body) => one.run(value, () => body(trace)),
    exit: (trace, _, body) => one.exit(() => body(trace)),
    enter: async (trace, value, body) => {
      two.enterWith(value);
      await body(trace);
    },
    scope: async (trace, value, body) => {
      const scope = one.withScope(value);
      const below = body(trace);
      scope.dispose();
      read(trace);
      await below;
    },
    async: async (trace, value, body) => {
      await one.run(value, async () => {
        await null;
        await body(trace);
        read(trace);
      });
    },
    asyncMethod: (trace, value, body) => {
      class Box {
        readonly value = value;
        async open(...args: number[]) {
          await null;
          const [first = 0] = args;
          await two.run(this.value + first, async () => await body(trace));
          return arguments.length;
        }
      }
      return new Box().open(1, 2).then((n) => trace.push(n));
    },
    try: async (trace, value, body) => {
      try {
        await one.run(value, async () => {
          await body(trace);
          throw new Error('after');
        });
      } catch {
        read(trace);
      } finally {
        await null;
        read(trace);
      }
    },
    generator: async (trace, value, body) => {
      async function* made() {
        read(trace);
        yield 1;
        read(trace);
        await body(trace);
        yield 2;
        read(trace);
      }
      const steps = one.run(value, () => made());
      for (let step = await steps.next(); !step.done; step = await one.run(value, () => steps.next())) read(trace);
    },
    delegated: async (trace, value, body) => {
      async function* inner() {
        await body(trace);
        yield value;
        return read(trace);
      }
      async function* outer() {
        yield* inner();
        read(trace);
      }
      await one.run(value, async () => {
        for await (const n of outer()) trace.push(n);
      });
    },
    forAwait: async (trace, value, body) => {
      async function* made() {
        yield await 1;
        await body(trace);
        yield 2;
      }
      await two.run(value, async () => {
        for await (const n of made()) {
          trace.push(n);
          read(trace);
        }
        read(trace);
      });
    },
    forAwaitSync: async (trace, value, body) => {
      await one.run(value, async () => {
        for await (const n of [Promise.resolve(1), 2, body(trace).then(() => 3)]) {
          trace.push(n);
          read(trace);
        }
      });
    },
    leftLoop: async (trace, value, body) => {
      async function* made() {
        try {
          yield 1;
          yield 2;
        } finally {
          read(trace);
          await body(trace);
          read(trace);
        }
      }
      await one.run(value, async () => {
        for await (const _ of made()) break;
        read(trace);
      });
    },
    concurrent: async (trace, value, body) => {
      async function* made() {
        await body(trace);
        yield 1;
        yield 2;
      }
      const steps = made();
      const asked = [steps.next(), steps.next(), steps.next()];
      const ends = await one.run(value, async () => await Promise.all(asked));
      trace.push(ends.map(({ done, value: n }) => [done, n ?? null]));
    },
    snapshot: async (trace, value, body) => {
      const within = one.run(value, () => AsyncLocalStorage.snapshot());
      await null;
      await within(() => body(trace));
    },
    bind: async (trace, value, body) => {
      const bound = one.run(value, () => AsyncLocalStorage.bind(() => body(trace)));
      await null;
      await bound();
    },
    resource: async (trace, value, body) => {
      const resource = one.run(value, () => new AsyncResource('Test'));
      await null;
      await resource.runInAsyncScope(() => body(trace));
      await resource.bind(() => body(trace))();
    },
    later: (trace, value, body) =>
      new Promise<void>((resolve, reject) => one.run(value, () => setTimeout(() => void body(trace).then(resolve, reject), 1))),
    thrown: async (trace, value, body) => {
      try {
        one.run(value, () => {
          throw new Error('at once');
        });
      } catch {
        read(trace);
      }
      await body(trace);
    },
    disposed: async (trace, value, body) => {
      const own = new AsyncLocalStorage();
      own.enterWith(value);
      await null;
      trace.push(own.getStore());
      own.disable();
      trace.push(own.getStore() ?? null);
      await body(trace);
    },
  };

  /** Runs the programs of a branch one after the other, and reads the storages in between. */
  async function branch(programs: readonly Program[], trace: Trace): Promise<void> {
    read(trace);
    for (const program of programs) {
      const inner: Trace = [];
      trace.push(inner);
      if ('wait' in program) await two.run(program.other, () => waits[program.wait](inner));
      else await frames[program.frame](inner, program.value, (below) => branch(program.body, below));
      read(trace);
    }
  }

  return {
    /** All at once, each from an empty context. */
    all: (programs: readonly Program[]): Promise<Trace[]> =>
      Promise.all(
        programs.map(async (program) => {
          const trace: Trace = [];
          await one.run('root', () => two.run('root', () => branch([program], trace)));
          return trace;
        }),
      ),
  };
}
