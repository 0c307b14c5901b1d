/** Messages as an agent reads them: in order, one at a time, as an async iterable. */
import type { CapabilityView, MessageDelivery } from '@corral/protocol/delivery';
import type { Message, Messages } from '../sdk/types.ts';
import { makeCaps } from './capabilities.ts';
import type { Effects } from './effects.ts';
import type { Handles } from './handles.ts';
import { Queue } from './queue.ts';

type Views = Readonly<Record<string, CapabilityView>>;

const WHOSE = 'This message';
const NONE: Views = Object.freeze({});

export class Inbox {
  readonly #effects: Effects;
  readonly #handles: Handles;
  readonly #queue = new Queue<Message>();
  readonly #views = new WeakMap<Message, Views>();
  #nextCap = 0;
  #none: object | undefined;

  /** Whether somebody waits and nothing is there. */
  get listening(): boolean {
    return this.#queue.listening;
  }

  constructor(effects: Effects, handles: Handles) {
    this.#effects = effects;
    this.#handles = handles;
  }

  /** The index of the next capability that a message brings. */
  countFrom(next: number): void {
    this.#nextCap = next;
  }

  /** A message that has just come. The host counts the indexes of what it carries in the same way. */
  receive(delivery: Pick<MessageDelivery, 'from' | 'body' | 'caps' | 'handles'>): void {
    this.#handles.place(delivery, delivery.handles);
    const { from, body, caps = [] } = delivery;
    const views: Record<string, CapabilityView> = {};
    for (const { alias, kind, name } of caps) {
      views[alias] = { cap: this.#nextCap, kind, name };
      this.#nextCap += 1;
    }
    this.put(from, body, caps.length === 0 ? NONE : views);
  }

  put(from: Message['from'], body: unknown, views: Views = NONE): void {
    const caps = views === NONE ? (this.#none ??= makeCaps(this.#effects, NONE, WHOSE)) : makeCaps(this.#effects, views, WHOSE);
    // A message that is logged or stored is what was said, not what came with it.
    const message = Object.defineProperty({ from, body } as Message, 'caps', { value: caps, enumerable: false });
    if (views !== NONE) this.#views.set(message, views);
    this.#queue.put(message);
  }

  /** Messages that came and that nobody has read. */
  unread(): readonly object[] {
    return this.#queue.unread.map((message) => {
      const caps = this.#views.get(message);
      return caps === undefined ? message : { from: message.from, body: message.body, caps };
    });
  }

  /** For the agent to read from. */
  reader(): Messages {
    return this.#queue.reader();
  }
}
