/**
 * AsyncLocalStorage and AsyncResource of `node:async_hooks`, for isolates of bundles that import them. V8 has no hook by which a value
 * could follow a native `await`, so the bundler lowers the async functions of such a bundle to generators
 * (packages/cli/src/bundle-lowered.ts): `run` drives them here, and `then`, timers and microtasks are bound to the context in which they
 * were made. A context is a map from storages to their values. To run with another value is to make another map.
 *
 * This part itself is not lowered, because it has to await natively.
 */
// oxlint-disable unicorn/no-thenable, typescript/unbound-method -- it speaks with thenables; methods are applied to their own objects

type Frame = Map<object, unknown>;
type Any = (...args: unknown[]) => unknown;

let current: Frame | undefined;

// Taken before an agent can replace them.
const { apply, getPrototypeOf } = Reflect;
const { is, create, defineProperty } = Object;
const Frames = Map;
const ThePromise = Promise;
const nativeThen = Promise.prototype.then as Any;
const nativeResolve = Promise.resolve as Any;
const nativeReject = Promise.reject as Any;
type Resume = (...args: unknown[]) => IteratorResult<unknown>;
const {
  next,
  throw: raise,
  return: finish,
} = getPrototypeOf(function* () {}.prototype as object) as Record<'next' | 'throw' | 'return', Resume>;
const OfAsyncGenerators = getPrototypeOf(async function* () {}.prototype as object);

/** Calls a function in a context, and comes back to the one before. */
function within(frame: Frame | undefined, work: Any, self: unknown, args: unknown[]): unknown {
  const before = current;
  current = frame;
  try {
    return apply(work, self, args);
  } finally {
    current = before;
  }
}

/** The same function, called in the context of now at any later time. Other values are returned as they are. */
function bind<T>(work: T): T {
  if (typeof work !== 'function') return work;
  const frame = current;
  return function (this: unknown, ...args: unknown[]) {
    return within(frame, work as unknown as Any, this, args);
  } as T;
}

/**
 * V8 calls the `then` of a foreign thenable, or of a class that overrides it, in a microtask of its own and outside of any context; the
 * stand-in enters one.
 */
function guarded(value: unknown, frame: Frame | undefined): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value;
  let theirs: unknown;
  try {
    theirs = (value as { readonly then?: unknown }).then;
  } catch {
    // V8 reads it once more, and rejects with what is thrown.
    return value;
  }
  if (theirs === then || typeof theirs !== 'function') return value;
  return { then: (fulfilled: unknown, rejected: unknown) => within(frame, theirs as Any, value, [fulfilled, rejected]) };
}

function reaction(work: unknown): unknown {
  if (typeof work !== 'function') return work;
  const frame = current;
  return (value: unknown) => {
    const before = current;
    current = frame;
    try {
      return guarded((work as Any)(value), current);
    } finally {
      current = before;
    }
  };
}

/** Methods, because those cannot be constructed either, like V8's own. */
const { then, resolve } = {
  then(this: unknown, fulfilled: unknown, rejected: unknown) {
    return apply(nativeThen, this, [reaction(fulfilled), reaction(rejected)]);
  },
  resolve(this: unknown, value: unknown) {
    const isReturned = value instanceof ThePromise && value.constructor === this;
    return apply(nativeResolve, this, [isReturned ? value : guarded(value, current)]);
  },
};

const NONE: readonly unknown[] = [];

/** In the place of esbuild's helper for an async function: its body is a generator that yields what it awaits. */
async function run(self: unknown, args: ArrayLike<unknown> | null, body: Any): Promise<unknown> {
  const generator = apply(body, self, args ?? NONE);
  // Until it first awaits, a function is part of its caller.
  let step = apply(next, generator, []);
  let frame = current;
  while (step.done !== true) {
    let value: unknown;
    let resume = next;
    try {
      value = await guarded(step.value, frame);
    } catch (error) {
      value = error;
      resume = raise;
    }
    const before = current;
    current = frame;
    try {
      step = apply(resume, generator, [value]);
    } finally {
      frame = current;
      current = before;
    }
  }
  return guarded(step.value, frame);
}

/** A lowered generator yields this where it awaits. The second member is true in a `yield*`. */
interface Await {
  readonly 0: unknown;
  readonly 1: unknown;
}
interface Request {
  readonly resume: Resume;
  readonly value: unknown;
  readonly resolve: (step: IteratorResult<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * In the place of esbuild's helper for an async generator, which leaves a `finally` at its first `await` when a loop is left.
 * @param Waits the class of what the body yields where it awaits
 */
function generate(self: unknown, args: ArrayLike<unknown> | null, body: Any, Waits: new () => Await): object {
  const generator = apply(body, self, args ?? NONE);
  const queue: Request[] = [];
  /** Answers the first request, and turns to the next one. */
  const settle = (how: (request: Request) => void) => {
    how(queue.shift() as Request);
    const request = queue[0];
    if (request !== undefined) begin(request);
  };
  /** The standard awaits what a generator is told to return before any code of the generator runs. */
  const begin = ({ resume, value }: Request) => {
    if (resume !== finish) return go(resume, value);
    awaiting(
      value,
      (got) => go(finish, got),
      (error) => go(raise, error),
    );
  };
  const go = (resume: Resume, value: unknown): void => {
    let step: IteratorResult<unknown>;
    try {
      step = apply(resume, generator, [value]);
    } catch (error) {
      return settle(({ reject }) => reject(error));
    }
    const { value: said, done = false } = step;
    if (!done && said instanceof Waits) {
      const again = said[1] && resume === finish ? finish : next;
      return awaiting(
        said[0],
        (got) => go(again, got),
        (error) => go(raise, error),
      );
    }
    awaiting(
      said,
      (got) => settle(({ resolve: answer }) => answer({ value: got, done })),
      (error) => (done ? settle(({ reject }) => reject(error)) : go(raise, error)),
    );
  };
  const made = create(OfAsyncGenerators);
  for (const [name, resume] of METHODS) {
    const method = (value: unknown) =>
      new ThePromise((answer: Request['resolve'], reject) => {
        const request = { resume, value, resolve: answer, reject };
        if (queue.push(request) === 1) begin(request);
      });
    defineProperty(made, name, { value: method, writable: true, configurable: true });
  }
  return made;
}
const METHODS = [
  ['next', next],
  ['throw', raise],
  ['return', finish],
] as const;

/** Calls back when a value is there, in the context of now. */
function awaiting(value: unknown, then: (got: unknown) => void, failed: (error: unknown) => void): void {
  const frame = current;
  const back = (how: (got: unknown) => void) => (got: unknown) => void within(frame, how, undefined, [got]);
  let promise: unknown;
  try {
    promise = apply(nativeResolve, ThePromise, [guarded(value, frame)]);
  } catch (error) {
    // The class of a promise cannot be read.
    promise = apply(nativeReject, ThePromise, [error]);
  }
  apply(nativeThen, promise, [back(then), back(failed)]);
}

const mustBe = (what: string, kind: 'function' | 'string' | 'object', value: unknown): void => {
  if (typeof value === kind && value !== null) return;
  throw defineProperty(new TypeError(`The "${what}" argument must be of type ${kind}.`), 'code', { value: 'ERR_INVALID_ARG_TYPE' });
};

interface StorageOptions {
  readonly defaultValue?: unknown;
  readonly name?: string;
}

class AsyncLocalStorage {
  readonly #default: unknown;
  readonly #name: string;

  constructor(options: StorageOptions = {}) {
    mustBe('options', 'object', options);
    this.#default = options.defaultValue;
    this.#name = options.name ?? '';
  }

  static bind(work: Any): Any {
    return AsyncResource.bind(work);
  }
  static snapshot(): Any {
    return AsyncResource.bind((work, ...args) => (work as Any)(...args));
  }

  get name(): string {
    return this.#name;
  }
  disable(): void {
    current?.delete(this);
  }
  getStore(): unknown {
    return current?.has(this) === true ? current.get(this) : this.#default;
  }
  enterWith(value: unknown): void {
    enter(this, value);
  }
  run(value: unknown, work: Any, ...args: unknown[]): unknown {
    const before = this.getStore();
    if (is(before, value)) return apply(work, null, args);
    enter(this, value);
    try {
      return apply(work, null, args);
    } finally {
      enter(this, before);
    }
  }
  exit(work: Any, ...args: unknown[]): unknown {
    return this.run(undefined, work, ...args);
  }
  withScope(value: unknown): RunScope {
    return new RunScope(this, value);
  }
}

/** Not the method, which Node calls here: the OpenAI Agents SDK overrides it by a call of `run`, as one can in workerd. */
function enter(storage: AsyncLocalStorage, value: unknown): void {
  const frame: Frame = new Frames(current ?? []);
  frame.set(storage, value);
  current = frame;
}

/** For `using scope = storage.withScope(value)`. */
class RunScope {
  readonly #storage: AsyncLocalStorage;
  readonly #before: unknown;
  #isOver = false;

  constructor(storage: AsyncLocalStorage, value: unknown) {
    this.#storage = storage;
    this.#before = storage.getStore();
    enter(storage, value);
  }
  dispose(): void {
    if (!this.#isOver) enter(this.#storage, this.#before);
    this.#isOver = true;
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

let resources = 1;

class AsyncResource {
  readonly #frame = current;
  readonly #id = (resources += 1);
  readonly #trigger: number;

  constructor(type: string, options: number | { readonly triggerAsyncId?: number } = {}) {
    mustBe('type', 'string', type);
    this.#trigger = typeof options === 'number' ? options : (options.triggerAsyncId ?? 1);
  }

  static bind(work: Any, type?: string, self?: unknown): Any {
    return new AsyncResource(type || work.name || 'bound-anonymous-fn').bind(work, self);
  }

  runInAsyncScope(work: Any, self: unknown, ...args: unknown[]): unknown {
    return within(this.#frame, work, self, args);
  }
  bind(work: Any, self?: unknown): Any {
    mustBe('fn', 'function', work);
    const frame = this.#frame;
    const bound = function (this: unknown, ...args: unknown[]) {
      return within(frame, work, self === undefined ? this : self, args);
    };
    return defineProperty(bound, 'length', { value: work.length });
  }
  emitDestroy(): this {
    return this;
  }
  asyncId(): number {
    return this.#id;
  }
  triggerAsyncId(): number {
    return this.#trigger;
  }
}

// The build shortens the names of classes.
for (const [name, made] of Object.entries({ AsyncLocalStorage, AsyncResource, RunScope })) defineProperty(made, 'name', { value: name });

export default function make() {
  return {
    bind,
    then,
    resolve,
    hooks: {
      AsyncLocalStorage,
      AsyncResource,
      run,
      generate,
      AsyncFunction: async () => {},
      AsyncGeneratorFunction: async function* () {},
    },
  };
}
