/** Messages and notices as an agent reads them: in order, one at a time, as an async iterable. */
import type { Stream } from '../sdk/types.ts';

export class Inbox<T> {
  readonly #queue: T[] = [];
  readonly #readers: ((message: T) => void)[] = [];

  /** Whether somebody waits and nothing is there. */
  get listening(): boolean {
    return this.#readers.length > 0;
  }

  put(message: T): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#queue.push(message);
    else reader(message);
  }

  /** Messages that came and that nobody has read. */
  unread(): readonly T[] {
    return this.#queue;
  }

  next(): Promise<T> {
    const message = this.#queue.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  /** The same, for the agent to read from. */
  reader(): Stream<T> {
    return {
      next: () => this.next(),
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: await this.next() }) }),
    };
  }
}
