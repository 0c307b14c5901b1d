/**
 * Requests that read whole journals, or much else, take turns: one at a time on a host, and between two pages of what they read
 * the host does whatever else is to be done. Who comes when too many wait already is told to come again.
 */
import { setImmediate } from 'node:timers/promises';
import { TooSoon } from './people/rate.ts';

/** Requests that wait for their turn. */
const WAITING = 16;
const ERRAND_S = 5;

export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** @throws CORRAL_RATE_LIMITED, and whatever `work` does */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING) throw new TooSoon('CORRAL_RATE_LIMITED', `${WAITING} requests wait already to read journals.`, ERRAND_S);
    this.#waiting += 1;
    const mine = this.#last.then(() => {
      this.#waiting -= 1;
      return work();
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}

/** Lets the host do what else is to be done. */
export const breathe = (): Promise<unknown> => setImmediate();
