/**
 * The clock of a test. It stands still while agents work and goes on to the next thing that a run waits for once nothing else is to be
 * done: an agent that sleeps a day takes no time, and each time that it sees is the same in every run of the test.
 */
import type { Clock } from '@corral/protocol/ports/machine';
import { realClock } from '@corral/supervisor';

interface Waiting {
  readonly due: number;
  readonly ring: () => void;
  readonly stop: () => void;
}

/** A timer that agents wait for also rings by the real clock, this much late, where an agent waits for a fake that never answers. */
const LATE_MS = 5_000;

export class SkippingClock implements Clock {
  readonly #start: number;
  #skipped = 0;
  readonly #waiting = new Set<Waiting>();
  /** When timers of runs are due. */
  readonly #dues = new Set<number>();

  /** @param start milliseconds since 1970 */
  constructor(start: number) {
    this.#start = start;
  }

  now(): number {
    return this.#start + this.#skipped;
  }

  monotonic(): number {
    return realClock.monotonic() + this.#skipped;
  }

  cpu(): number {
    return realClock.cpu?.() ?? 0;
  }

  /** Names a time for which a run waits. A timer for it rings when the clock comes to it, and not by the real clock. */
  expect(due: number): void {
    if (due > this.now()) this.#dues.add(due);
  }

  after(ms: number, then: () => void): () => void {
    const due = this.now() + ms;
    const entry: Waiting = {
      due,
      ring: () => {
        this.#waiting.delete(entry);
        then();
      },
      stop: realClock.after(this.#dues.has(due) ? ms + LATE_MS : ms, () => this.#rang(entry)),
    };
    this.#waiting.add(entry);
    return () => {
      this.#waiting.delete(entry);
      entry.stop();
    };
  }

  /** Goes on to the first time for which a run waits. @returns whether there is one */
  skip(): boolean {
    let next = Number.POSITIVE_INFINITY;
    for (const due of this.#dues) if (due > this.now()) next = Math.min(next, due);
    if (next === Number.POSITIVE_INFINITY) return false;
    this.reach(next);
    return true;
  }

  #rang(entry: Waiting): void {
    // A run that waited by the real clock must not find that no time has passed.
    if (this.#dues.has(entry.due)) this.reach(entry.due);
    else entry.ring();
  }

  /** Goes on to a time; one that is over already changes nothing. */
  reach(time: number): void {
    this.#skipped = Math.max(this.#skipped, time - this.#start);
    for (const due of this.#dues) if (due <= time) this.#dues.delete(due);
    const due = [...this.#waiting].filter((entry) => entry.due <= time).sort((a, b) => a.due - b.due);
    for (const entry of due) {
      // The one before may have called it off.
      if (!this.#waiting.has(entry)) continue;
      entry.stop();
      entry.ring();
    }
  }
}
