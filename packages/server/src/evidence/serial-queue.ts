/**
 * Lists, requests that read whole journals, and others that take long are queued: one runs at a time on a host, and the host does other
 * work between two pages. Tenants take turns; if a tenant has too many requests waiting, the next is refused with a time to
 * retry.
 */
import { setImmediate } from 'node:timers/promises';
import { Rota } from '@corral/protocol/rota';
import { TooSoon } from '../people/rate.ts';

/** Requests of one tenant that may wait. */
const WAITING = 16;
const ERRAND_S = 5;

export class Turns {
  readonly #rota = new Rota<() => Promise<void>>();
  #busy = false;

  /**
   * @param who tenant of the principal
   * @throws CORRAL_RATE_LIMITED, and any error of `work`
   */
  async take<T>(who: string, work: () => Promise<T>): Promise<T> {
    if (this.#rota.waiting(who) >= WAITING)
      throw new TooSoon('CORRAL_RATE_LIMITED', `${WAITING} such requests are waiting already.`, ERRAND_S);
    const done = Promise.withResolvers<T>();
    this.#rota.push(who, () => Promise.try(work).then(done.resolve, done.reject));
    if (!this.#busy) void this.#go();
    return done.promise;
  }

  async #go(): Promise<void> {
    this.#busy = true;
    // Starts only after all requests of this turn of the event loop are queued, so that tenants take turns from the first one on.
    await Promise.resolve();
    for (let next = this.#rota.next(); next !== undefined; next = this.#rota.next()) await next.item();
    this.#busy = false;
  }
}

/** Lets the host do other work. */
export const breathe = (): Promise<unknown> => setImmediate();
