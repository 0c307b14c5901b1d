/**
 * The state of a run whose crank is being decided over several turns of the event loop. Until the draft is adopted or dropped, nothing may
 * change the ledger or write an entry. Work that arrives meanwhile waits here, and is done in the order of its arrival.
 */
import type { Result } from '@corral/protocol/wire/delivery';

interface Open<C> {
  readonly crank: C;
  readonly drop: () => void;
}

/** @template C the crank */
export class Behind<C = unknown> {
  #open: Open<C> | undefined;
  readonly #waiting: (() => void)[] = [];
  readonly #answers = new Set<Result>();

  /** The crank that is being decided; undefined if none is. */
  get crank(): C | undefined {
    return this.#open?.crank;
  }

  get deciding(): boolean {
    return this.#open !== undefined;
  }

  /** Does the work now, or once the crank is decided. The work must check whether the run has ended by then. */
  do(work: () => void): void {
    if (this.#open === undefined) work();
    else this.#waiting.push(work);
  }

  /** Results of calls that wait here. A host that stops keeps them: they were paid for, and the crank may not be decided in time. */
  get answers(): Iterable<Result> {
    return this.#answers;
  }

  /** Like `do`, for the result of a call. */
  answered(result: Result, work: () => void): void {
    this.#answers.add(result);
    this.do(() => {
      this.#answers.delete(result);
      work();
    });
  }

  /** Like `do`, for a caller that waits for the result. */
  enter<T>(work: () => Promise<T>): Promise<T> {
    if (this.#open === undefined) return work();
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => void work().then(resolve, reject));
    });
  }

  /** @param drop drops the draft */
  begin(crank: C, drop: () => void): void {
    this.#open = { crank, drop };
  }

  /** The crank is decided. The caller adopts or drops the draft, then calls `drain`, all in the same synchronous step. */
  over(): void {
    this.#open = undefined;
  }

  /** Drops the draft, if there is one. The caller calls `drain` in the same synchronous step. @returns the crank */
  drop(): C | undefined {
    const open = this.#open;
    this.#open = undefined;
    open?.drop();
    return open?.crank;
  }

  /** Does the waiting work. An error in one piece does not keep the others from being done. @throws the first error */
  drain(): void {
    const failed: unknown[] = [];
    while (this.#open === undefined) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      try {
        next();
      } catch (error) {
        failed.push(error);
      }
    }
    if (failed.length > 0) throw failed[0];
  }
}
