/** Messages as an agent reads them: in order, one at a time, as an async iterable. */
import type { Message } from '../sdk/types.ts';

export class Inbox {
  readonly #queue: Message[] = [];
  readonly #readers: ((message: Message) => void)[] = [];

  /** Whether somebody waits and nothing is there. */
  get listening(): boolean {
    return this.#readers.length > 0;
  }

  put(message: Message): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#queue.push(message);
    else reader(message);
  }

  /** Messages that came and that nobody has read. */
  unread(): readonly Message[] {
    return this.#queue;
  }

  next(): Promise<Message> {
    const message = this.#queue.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => this.#readers.push(resolve));
  }
}
