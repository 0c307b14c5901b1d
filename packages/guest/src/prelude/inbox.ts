/** Messages as an agent reads them: in order, one at a time, as an async iterable. */
import type { CapabilityView, MessageDelivery } from '@corral/protocol/wire/delivery';
import type { Message, Messages } from '../sdk/types.ts';
import { bare } from './bare.ts';
import { makeCaps } from './capabilities.ts';
import type { Effects } from './effects.ts';
import { raise } from './errors.ts';
import type { Handles } from './handles.ts';
import { Queue } from './queue.ts';
import type { Timers } from './timers.ts';

type Views = Readonly<Record<string, CapabilityView>>;

/** The host's name for a request. */
export const replyTo = (run: string, request: number): string => `${run}:${request}`;

const WHOSE = 'This message';
const NONE: Views = Object.freeze({});

export class Inbox {
  readonly #effects: Effects;
  readonly #handles: Handles;
  readonly #queue: Queue<Message>;
  readonly #views = new WeakMap<Message, Views>();
  /** Messages that expect a reply, with the number that their sender gave the request. */
  readonly #asked = new WeakMap<Message, number>();
  readonly #answered = new WeakSet<Message>();
  #nextCap = 0;
  #none: object | undefined;

  /** Whether a reader waits and no message is there. */
  get listening(): boolean {
    return this.#queue.listening;
  }

  constructor(effects: Effects, handles: Handles, timers: Timers) {
    this.#effects = effects;
    this.#handles = handles;
    this.#queue = new Queue(timers, 'messages');
  }

  /** The index of the next capability that a message brings. */
  countFrom(next: number): void {
    this.#nextCap = next;
  }

  /** A message that has just arrived. The host counts the indexes of its capabilities in the same way. */
  receive(delivery: Pick<MessageDelivery, 'from' | 'body' | 'caps' | 'handles' | 'request'>): void {
    this.#handles.place(delivery, delivery.handles);
    const { from, body, caps = [], request } = delivery;
    const views: Record<string, CapabilityView> = bare({});
    for (const { alias, kind, name } of caps) {
      views[alias] = bare({ cap: this.#nextCap, kind, name });
      this.#nextCap += 1;
    }
    this.put(from, body, caps.length === 0 ? NONE : views, request);
  }

  put(from: Message['from'], body: unknown, views: Views = NONE, request?: number): void {
    const caps = views === NONE ? (this.#none ??= makeCaps(this.#effects, NONE, WHOSE)) : makeCaps(this.#effects, views, WHOSE);
    // Not enumerable: a logged or stored message has its body, without the capabilities.
    const message = Object.defineProperty({ from, body } as Message, 'caps', { value: caps, enumerable: false });
    const reply = (value: unknown) => this.#reply(message, value);
    Object.defineProperty(message, 'reply', { value: reply, enumerable: false });
    if (request !== undefined) this.#asked.set(message, request);
    if (views !== NONE) this.#views.set(message, views);
    this.#queue.put(message);
  }

  /** Messages that arrived and were not read. */
  unread(): readonly object[] {
    const unread = this.#queue.unread.map((message) => {
      const { from, body } = message;
      const caps = this.#views.get(message);
      const request = this.#asked.get(message);
      return bare({ from, body, ...(caps === undefined ? {} : { caps }), ...(request === undefined ? {} : { request }) });
    });
    return bare(unread);
  }

  #reply(message: Message, value: unknown): void {
    const request = this.#asked.get(message);
    if (request === undefined) {
      const why = this.#answered.has(message) ? 'has been replied to' : 'was only sent; whoever wants a reply uses mailbox.request()';
      throw raise('CORRAL_ARGS_INVALID', `This message ${why}.`);
    }
    this.#effects.push({ kind: 'reply', to: replyTo(message.from.run, request), value: value ?? null });
    this.#asked.delete(message);
    this.#answered.add(message);
  }

  beginCrank(): void {
    this.#queue.beginCrank();
  }

  /** Rejects all who wait for a message. */
  stop(reason: unknown): void {
    this.#queue.stop(reason);
  }

  /** The object that the agent reads from. */
  reader(): Messages {
    return this.#queue.reader();
  }
}
