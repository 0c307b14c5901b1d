/** A queue of arrivals as an agent reads it: in order, one at a time, as an async iterable. */
import type { Stream, WaitOptions } from '../sdk/types.ts';
import { own } from './bare.ts';
import { timedOut, waitOptions } from './options.ts';
import { raise } from './errors.ts';
import { isAwaited, Reading } from './reading.ts';
import type { Timers } from './timers.ts';

interface Reader<T> {
  readonly promise: Reading<T>;
  readonly resolve: (item: T) => void;
  readonly reject: (reason: unknown) => void;
  /** The crank in which it last began to wait. */
  crank: number;
  /** Removes its deadline and its signal. */
  over: () => void;
}

/** A reader while it is made. Its members are there from the start, so that a write meets no setter of Object.prototype. */
interface Opening<T> extends Reader<T> {
  promise: Reading<T>;
  resolve: (item: T) => void;
  reject: (reason: unknown) => void;
}
const UNREAD = { promise: undefined, resolve: undefined, reject: undefined, over: () => undefined };

/** Given to readers of an iterator after the iterator was left. */
const ENDED = Symbol('ended');

export class Queue<T> {
  readonly #timers: Timers;
  readonly #what: string;
  readonly #items: T[] = [];
  #readers: Reader<T>[] = [];
  #crank = 0;

  /** @param what names the queue in errors */
  constructor(timers: Timers, what: string) {
    this.#timers = timers;
    this.#what = what;
  }

  /** Whether a reader waits and no item is there. */
  get listening(): boolean {
    return this.#readers.length > 0;
  }

  /** Items that arrived and were not read. */
  get unread(): readonly T[] {
    return this.#items;
  }

  beginCrank(): void {
    this.#crank += 1;
  }

  put(item: T): void {
    this.#items.push(item);
    this.#handOut();
  }

  next(options?: WaitOptions): Promise<T> {
    try {
      const { signal, expired, wanted } = waitOptions(`The options of ${this.#what}.next`, options);
      if (signal?.aborted === true) throw signal.reason;
      // An item that arrived while nobody waited is returned at once.
      const item = this.#items.shift();
      if (item !== undefined) return Promise.resolve(item);
      if (expired) throw timedOut('wait');
      return this.#read(own(wanted, 'timeout_ms'), signal).promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Rejects all who wait. */
  stop(reason: unknown): void {
    for (const reader of this.#readers.splice(0)) {
      reader.over();
      reader.reject(reason);
    }
  }

  /** The object that the agent reads from. */
  reader(): Stream<T> {
    return {
      next: (options?: WaitOptions) => this.next(options),
      [Symbol.asyncIterator]: () => this.#iterator(),
    };
  }

  /** Leaving its loop loses nothing: an item that it had asked for goes to the next reader. */
  #iterator(): AsyncIterableIterator<T> {
    const mine = new Set<Reader<T | typeof ENDED>>();
    const end: IteratorResult<T> = { done: true, value: undefined };
    let ended = false;
    const iterator: AsyncIterableIterator<T> = {
      next: () => {
        if (ended) return Promise.resolve(end);
        const item = this.#items.shift();
        if (item !== undefined) return Promise.resolve(item).then((value) => ({ done: false, value }));
        const reader = this.#read(undefined, undefined) as Reader<T | typeof ENDED>;
        mine.add(reader);
        return reader.promise.then((value) => {
          mine.delete(reader);
          return value === ENDED ? end : { done: false, value };
        });
      },
      return: () => {
        ended = true;
        this.#readers = this.#readers.filter((reader) => !mine.has(reader as Reader<T | typeof ENDED>));
        for (const { resolve } of mine) resolve(ENDED);
        return Promise.resolve(end);
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #read(timeout_ms: number | undefined, signal: AbortSignal | undefined): Reader<T> {
    const reader = { ...UNREAD, crank: this.#crank } as unknown as Opening<T>;
    const again = () => {
      reader.crank = this.#crank;
      if (this.#items.length > 0) this.#handOut();
    };
    reader.promise = Reading.of<T>((resolve, reject) => {
      reader.resolve = resolve;
      reader.reject = reject;
    }, again);
    const off = (reason: unknown) => {
      this.#readers = this.#readers.filter((one) => one !== reader);
      reader.over();
      reader.reject(reason);
    };
    const aborted = () => off(signal?.reason);
    const timer =
      timeout_ms === undefined
        ? undefined
        : this.#timers.start(timeout_ms, () => off(raise('CORRAL_TIMED_OUT', `Nothing came within ${timeout_ms} ms.`)));
    signal?.addEventListener('abort', aborted, { once: true });
    reader.over = () => {
      if (timer !== undefined) this.#timers.stop(timer);
      signal?.removeEventListener('abort', aborted);
    };
    this.#readers.push(reader);
    return reader;
  }

  /** Gives an item to the reader that began to wait last and still waits; among those of one crank, to the first. */
  #handOut(): void {
    while (this.#items.length > 0) {
      let next: Reader<T> | undefined;
      for (const reader of this.#readers) if (isAwaited(reader.promise) && (next === undefined || reader.crank > next.crank)) next = reader;
      if (next === undefined) return;
      this.#readers = this.#readers.filter((one) => one !== next);
      next.over();
      next.resolve(this.#items.shift() as T);
    }
  }
}
