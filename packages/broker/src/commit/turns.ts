/**
 * The order in which cranks are decided, and how much of a turn of the event loop they may take: together no more than one of them alone,
 * however many there are. A crank that comes while there is time left in the turn is decided at once; others wait, and so does the rest of
 * a crank that took longer than a slice. Tenants take turns by the CPU time that their cranks take. A tenant as many of whose commits wait for
 * the store's writer as may has no turn before some of them are written: the writer takes commits in the order in which they come, so each other
 * tenant waits there for no more than that.
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
  readonly #isHeld: (tenant: string) => boolean;
  readonly #waiting = new Rota<Turn>();
  #isArmed = false;
  /** A slice that was run has left something for another one. */
  #isLeft = false;
  /** CPU time that deciding has taken in this turn of the event loop. */
  #spent_ms = 0;
  #isNoted = false;

  /** @param isHeld whether a tenant has no turn at present; `resume` is to be called when that has changed */
  constructor(clock: Clock, isHeld: (tenant: string) => boolean = () => false) {
    this.#clock = clock;
    this.#isHeld = isHeld;
  }

  /** Whether a crank of a tenant may be decided in this turn of the event loop. */
  mayBegin(tenant: string): boolean {
    return this.#hasTime && !this.#isHeld(tenant);
  }

  /** A tenant that had no turn may have one again. */
  resume(): void {
    this.#arm();
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
    if (this.#isArmed || !this.#waiting.has((who) => !this.#isHeld(who))) return;
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

  get #hasTime(): boolean {
    return this.#spent_ms < MACHINE.decide_slice_ms.default;
  }

  get #hasMore(): boolean {
    return this.#hasTime && !this.#isLeft;
  }

  /** The next slice that was not cancelled. */
  #next(): (() => void) | undefined {
    const take = () => this.#waiting.next((who) => !this.#isHeld(who));
    for (let next = take(); next !== undefined; next = take()) if (next.item.slice !== undefined) return next.item.slice;
    return undefined;
  }
}
