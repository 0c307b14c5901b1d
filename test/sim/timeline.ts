/** Time as it passes in a simulated world: a queue of events. Between two of them, everything that was promised comes true. */
import type { Clock } from '@corral/protocol/ports/machine';

interface Event {
  readonly at: number;
  readonly order: number;
  happen: (() => void) | undefined;
}

/** When most worlds begin, in milliseconds since 1970: at eight in the morning. */
const EPOCH = 1_800_000_000_000;
export const MIDNIGHT = 1_800_057_600_000;

export class Timeline {
  /** Milliseconds since the world began. */
  now = 0;
  events = 0;
  /** When it began, in milliseconds since 1970. */
  epoch = EPOCH;
  #order = 0;
  readonly #heap: Event[] = [];

  /** Calls `then` once `ms` have passed; returns what calls it off. */
  after(ms: number, then: () => void): () => void {
    const event: Event = { at: this.now + Math.max(0, ms), order: (this.#order += 1), happen: then };
    this.#push(event);
    return () => (event.happen = undefined);
  }

  /**
   * Lets time pass until `until`, or until `stop` says so.
   * @param step called after every event, once all that follows from it at that instant has happened
   */
  async run(until: number, step: () => boolean): Promise<void> {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) {
        this.now = Math.max(this.now, until);
        return;
      }
      this.#pop();
      if (next.happen === undefined) continue;
      this.now = next.at;
      this.events += 1;
      next.happen();
      await drain();
      if (step()) return;
    }
  }

  /** The clock of one host; once `alive` is over it never calls anybody again. */
  clock(alive: () => boolean): Clock {
    return {
      now: () => this.epoch + Math.floor(this.now),
      monotonic: () => this.now,
      // No timer is exact.
      after: (ms, then) => this.after(Math.max(ms, 0.01), () => alive() && then()),
    };
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** The queue of microtasks is empty when the event loop comes round. */
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
