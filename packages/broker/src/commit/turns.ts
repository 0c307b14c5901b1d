/**
 * The order in which cranks that are decided in slices have their turns: one slice in a turn of the event loop, however many cranks are
 * decided, so that together they hold up the host no longer than one of them. Tenants take turns.
 */
import { Rota } from '@corral/protocol/rota';
import type { Clock } from '@corral/protocol/ports/machine';

/** A slice that waits; undefined once it is cancelled. */
interface Turn {
  slice: (() => void) | undefined;
}

export class Turns {
  readonly #clock: Clock;
  readonly #waiting = new Rota<Turn>();
  #isArmed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs the next slice of a crank, when it is its turn.
   * @param tenant whose crank it is
   * @param gap_ms minimum time until then; above 0, the slice does not take turns with others
   * @returns a function that cancels it
   */
  after(tenant: string, gap_ms: number, slice: () => void): () => void {
    if (gap_ms > 0) return this.#clock.after(gap_ms, slice);
    const turn: Turn = { slice };
    this.#waiting.push(tenant, turn);
    this.#arm();
    return () => void (turn.slice = undefined);
  }

  #arm(): void {
    if (this.#isArmed || this.#waiting.isEmpty) return;
    this.#isArmed = true;
    this.#clock.after(0, () => {
      this.#isArmed = false;
      try {
        this.#next()?.();
      } finally {
        this.#arm();
      }
    });
  }

  /** The next slice that was not cancelled. */
  #next(): (() => void) | undefined {
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next())
      if (next.item.slice !== undefined) return next.item.slice;
    return undefined;
  }
}
