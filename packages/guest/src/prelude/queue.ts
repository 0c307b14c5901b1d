/** What arrives for an agent, as it reads it: in order, one at a time, as an async iterable. */
import type { Stream } from '../sdk/types.ts';

export class Queue<T> {
  readonly #items: T[] = [];
  readonly #readers: ((item: T) => void)[] = [];

  /** Whether somebody waits and nothing is there. */
  get listening(): boolean {
    return this.#readers.length > 0;
  }

  /** What came and nobody has read. */
  get unread(): readonly T[] {
    return this.#items;
  }

  put(item: T): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#items.push(item);
    else reader(item);
  }

  next(): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
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
