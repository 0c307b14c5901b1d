/**
 * Requests that read whole journals, or much else, take turns: one at a time on a host, and between two pages of what they read
 * the host does whatever else is to be done. Tenants take turns too, and whoever comes when too many of a tenant wait already is told
 * to come again.
 */
import { setImmediate } from 'node:timers/promises';
import { Rota } from '@corral/protocol/rota';
import { TooSoon } from './people/rate.ts';

/** Requests of one tenant that wait for their turn. */
const WAITING = 16;
const ERRAND_S = 5;

export class Turns {
  readonly #rota = new Rota<() => Promise<void>>();
  #busy = false;

  /**
   * @param who whose principal asks
   * @throws CORRAL_RATE_LIMITED, and whatever `work` does
   */
  async take<T>(who: string, work: () => Promise<T>): Promise<T> {
    if (this.#rota.waiting(who) >= WAITING)
      throw new TooSoon('CORRAL_RATE_LIMITED', `${WAITING} requests wait already to read journals.`, ERRAND_S);
    const done = Promise.withResolvers<T>();
    this.#rota.push(who, () => Promise.try(work).then(done.resolve, done.reject));
    if (!this.#busy) void this.#go();
    return done.promise;
  }

  async #go(): Promise<void> {
    this.#busy = true;
    // Not before all that asked at once stand in line.
    await Promise.resolve();
    for (let next = this.#rota.next(); next !== undefined; next = this.#rota.next()) await next.item();
    this.#busy = false;
  }
}

/** Lets the host do what else is to be done. */
export const breathe = (): Promise<unknown> => setImmediate();
