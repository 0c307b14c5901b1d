/** Simulated time: a queue of events. All promises settle between two events. */
import type { Clock } from '@corral/protocol/ports/machine';
import type { Pulse } from './pulse.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  happen: (() => void) | undefined;
}

/** The start of most worlds, at eight in the morning. Milliseconds since 1970. */
const EPOCH = 1_800_000_000_000;
export const MIDNIGHT = 1_800_057_600_000;

export class Timeline {
  /** Milliseconds since the start of the world. */
  now = 0;
  events = 0;
  /** The start of the world, in milliseconds since 1970. */
  epoch = EPOCH;
  #order = 0;
  readonly #heap: Event[] = [];

  /** Calls `then` after `ms`. @returns a function that cancels it */
  after(ms: number, then: () => void): () => void {
    const event: Event = { at: this.now + Math.max(0, ms), order: (this.#order += 1), happen: then };
    this.#push(event);
    return () => (event.happen = undefined);
  }

  /**
   * Lets time pass until `until`, or until `step` returns true.
   * @param step called after every event, once all its consequences at that instant have happened
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

  /**
   * The clock of one host; it calls nobody once the host is dead.
   * @param skew_ms how far it is ahead of the others
   */
  clock(pulse: Pulse, skew_ms = 0): Clock {
    return {
      now: () => this.epoch + Math.floor(this.now + skew_ms),
      monotonic: () => this.now,
      // Timers are never exact.
      after: (ms, then) => {
        let isOff = false;
        const stop = this.after(Math.max(ms, 0.01), () =>
          pulse.when(() => {
            if (!isOff) then();
          }),
        );
        return () => {
          isOff = true;
          stop();
        };
      },
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

/** All microtasks have run when the event loop turns. */
const drain = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
