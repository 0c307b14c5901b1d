/**
 * The order in which cranks are decided, and how much of a turn of the event loop they may take: together no more than one of them alone,
 * however many there are. A crank that comes while there is time left in the turn is decided at once; others wait, and so does the rest of
 * a crank that took longer than a slice. Tenants take turns by the CPU time that their cranks take.
 */
import { MACHINE } from '@corral/protocol/limits';
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
  /** A slice that was run has left something for another one. */
  #isLeft = false;
  /** CPU time that deciding has taken in this turn of the event loop. */
  #spent_ms = 0;
  #isNoted = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a crank may be decided in this turn of the event loop. */
  get hasTime(): boolean {
    return this.#spent_ms < MACHINE.decide_slice_ms.default;
  }

  /** Counts CPU time that deciding has taken in this turn of the event loop. */
  spent(tenant: string, ms: number): void {
    if (ms <= 0) return;
    this.#spent_ms += ms;
    this.#waiting.charge(tenant, ms / MACHINE.decide_slice_ms.default);
    if (this.#isNoted) return;
    this.#isNoted = true;
    this.#clock.after(0, () => {
      this.#isNoted = false;
      this.#spent_ms = 0;
    });
  }

  /**
   * Runs a slice of a crank, when it is its turn.
   * @param tenant whose crank it is
   * @param gap_ms minimum time until then; above 0, the slice does not take turns with others
   * @returns a function that cancels it
   */
  after(tenant: string, gap_ms: number, slice: () => void): () => void {
    if (gap_ms > 0) return this.#clock.after(gap_ms, slice);
    const turn: Turn = { slice };
    this.#waiting.push(tenant, turn);
    this.#isLeft = true;
    this.#arm();
    return () => void (turn.slice = undefined);
  }

  #arm(): void {
    if (this.#isArmed || this.#waiting.isEmpty) return;
    this.#isArmed = true;
    this.#clock.after(0, () => {
      this.#isArmed = false;
      try {
        this.#run();
      } finally {
        this.#arm();
      }
    });
  }

  /** Runs slices while there is time; one that is not the last of its crank has used up the turn. */
  #run(): void {
    this.#isLeft = false;
    for (let next = this.#next(); next !== undefined; next = this.#hasMore ? this.#next() : undefined) next();
  }

  get #hasMore(): boolean {
    return this.hasTime && !this.#isLeft;
  }

  /** The next slice that was not cancelled. */
  #next(): (() => void) | undefined {
    for (let next = this.#waiting.next(); next !== undefined; next = this.#waiting.next())
      if (next.item.slice !== undefined) return next.item.slice;
    return undefined;
  }
}
