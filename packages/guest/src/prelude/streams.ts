/**
 * The answer to a call in parts, as an agent reads it. A chunk is asked for only when the agent waits for a part, so nothing is read
 * ahead. The parts that an agent has not read when its host ends the stream with an error are read before that error; those of a stream
 * that the agent itself gave up are dropped.
 */
import type { PartStream } from '../sdk/types.ts';
import type { Effects, Sink } from './effects.ts';

interface Reader {
  readonly resolve: (item: IteratorResult<unknown, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

const END: IteratorResult<never, undefined> = Object.freeze({ done: true, value: undefined });

/** Makes a call whose answer is read in parts. @throws what the call would reject with before it leaves */
export function openStream(
  effects: Effects,
  effect: Readonly<Record<string, unknown>>,
  signal: AbortSignal | undefined,
): PartStream<unknown, unknown> {
  const parts = new Parts(effects);
  const { id, reply } = effects.request({ ...effect, stream: true }, true, parts);
  const give = () => effects.abandon(id, signal?.reason);
  signal?.addEventListener('abort', give, { once: true });
  // An agent that iterates is given the error there: that nobody handles the promise fails no run.
  reply.then(
    () => parts.ends(undefined),
    (error: unknown) => parts.ends({ error }),
  );
  parts.begin(id, () => signal?.removeEventListener('abort', give));
  return parts.reader(reply);
}

/** A stream of a call that is not made. */
export function brokenStream(effects: Effects, error: unknown): PartStream<unknown, unknown> {
  const parts = new Parts(effects);
  const result = Promise.reject(error);
  result.then(undefined, () => undefined);
  parts.ends({ error });
  return parts.reader(result);
}

class Parts implements Sink {
  readonly #effects: Effects;
  #id = 0;
  #parts: unknown[] = [];
  #readers: Reader[] = [];
  /** A chunk has been asked for and has not come. */
  #pulled = false;
  #over = false;
  /** How it ended, until the agent was told. */
  #error: { readonly error: unknown } | undefined;
  #done: () => void = () => undefined;

  constructor(effects: Effects) {
    this.#effects = effects;
  }

  begin(id: number, done: () => void): void {
    this.#id = id;
    this.#done = done;
  }

  put(parts: readonly unknown[]): void {
    this.#pulled = false;
    if (this.#over) return;
    for (const part of parts) this.#parts.push(part);
    while (this.#readers.length > 0 && this.#parts.length > 0) this.#readers.shift()?.resolve({ done: false, value: this.#parts.shift() });
    if (this.#readers.length > 0) this.#pull();
  }

  abandoned(error: unknown): void {
    this.#parts = [];
    this.ends({ error });
  }

  ends(error: { readonly error: unknown } | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = error;
    this.#done();
    for (const { resolve, reject } of this.#readers.splice(0)) {
      const told = this.#error;
      this.#error = undefined;
      if (told === undefined) resolve(END);
      else reject(told.error);
    }
  }

  reader(result: Promise<unknown>): PartStream<unknown, unknown> {
    const stream: PartStream<unknown, unknown> = {
      result,
      next: () => this.#next(),
      return: () => this.#leave(),
      [Symbol.asyncIterator]: () => stream,
    };
    return Object.freeze(stream);
  }

  #next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#parts.length > 0) return Promise.resolve({ done: false, value: this.#parts.shift() });
    if (!this.#over) {
      const next = new Promise<IteratorResult<unknown, undefined>>((resolve, reject) => {
        this.#readers.push({ resolve, reject });
      });
      this.#pull();
      return next;
    }
    const told = this.#error;
    this.#error = undefined;
    return told === undefined ? Promise.resolve(END) : Promise.reject(told.error);
  }

  #leave(): Promise<IteratorResult<unknown, undefined>> {
    this.#parts = [];
    this.#error = undefined;
    if (!this.#over) {
      const left = Object.defineProperty(new Error('The stream was left before its end.'), 'name', { value: 'AbortError' });
      this.#over = true;
      this.#done();
      for (const { resolve } of this.#readers.splice(0)) resolve(END);
      this.#effects.abandon(this.#id, left);
    }
    return Promise.resolve(END);
  }

  #pull(): void {
    if (this.#pulled) return;
    this.#pulled = true;
    this.#effects.push({ kind: 'pull', id: this.#id });
  }
}
