/**
 * The order in which cranks that are decided in slices have their turns: one slice in a turn of the event loop, however many cranks there
 * are. Otherwise all of them together would hold up the host as one of them does not.
 */
import type { Clock } from '@corral/protocol/ports/machine';

export class Turns {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #isArmed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs the next slice of a crank, when it is its turn.
   * @param gap_ms minimum time until then; above 0, the slice does not take turns with others
   * @returns a function that cancels it
   */
  after(gap_ms: number, slice: () => void): () => void {
    if (gap_ms > 0) return this.#clock.after(gap_ms, slice);
    this.#waiting.add(slice);
    this.#arm();
    return () => void this.#waiting.delete(slice);
  }

  #arm(): void {
    if (this.#isArmed || this.#waiting.size === 0) return;
    this.#isArmed = true;
    this.#clock.after(0, () => {
      this.#isArmed = false;
      const [next] = this.#waiting;
      if (next === undefined) return;
      this.#waiting.delete(next);
      try {
        next();
      } finally {
        this.#arm();
      }
    });
  }
}
