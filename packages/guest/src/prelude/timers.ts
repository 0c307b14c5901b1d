/** Timers are effects: the host keeps them, so they survive a restart and need no process while they run. */
import type { Effects } from './effects.ts';
import { inContext } from './context.ts';
import { sleepSignal, sleepTime } from './options.ts';

/** Shortest interval. Milliseconds. Each tick is an entry of the journal. */
const INTERVAL_MS = 1;

export class Timers {
  readonly #effects: Effects;
  readonly #due = new Map<number, () => void>();
  /** The number that setInterval returned, to the current timer of the series. */
  readonly #current = new Map<number, number>();
  /** Functions that reject those who sleep. */
  readonly #sleepers = new Set<(reason: unknown) => void>();

  constructor(effects: Effects) {
    this.#effects = effects;
  }

  start(ms: number, then: () => void): number {
    const id = this.#effects.pushNumbered({ kind: 'timer', ms: Number.isFinite(ms) && ms > 0 ? ms : 0 });
    this.#due.set(id, inContext(then));
    return id;
  }

  repeat(ms: number, then: () => void): number {
    const wait = ms >= INTERVAL_MS ? ms : INTERVAL_MS;
    const first = this.start(wait, () => again());
    const again = () => {
      this.#current.set(first, this.start(wait, again));
      then();
    };
    this.#current.set(first, first);
    return first;
  }

  stop(handle: number): void {
    const id = this.#current.get(handle) ?? handle;
    this.#current.delete(handle);
    if (this.#due.delete(id)) this.#effects.push({ kind: 'abort', id });
  }

  /** Stops all timers. */
  stopAll(): void {
    for (const id of this.#due.keys()) this.#effects.push({ kind: 'abort', id });
    this.#due.clear();
    this.#current.clear();
  }

  /** Resolves after a time; rejects on a signal, or when the run is cancelled. */
  sleep(ms: unknown, options: unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      const wait = sleepTime(ms);
      const signal = sleepSignal(options);
      if (signal?.aborted === true) throw signal.reason;
      const off = (reason: unknown) => {
        over();
        this.stop(id);
        reject(reason);
      };
      const aborted = () => off(signal?.reason);
      const over = () => {
        this.#sleepers.delete(off);
        signal?.removeEventListener('abort', aborted);
      };
      const id = this.start(wait, () => {
        over();
        resolve();
      });
      this.#sleepers.add(off);
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  /** Rejects all who sleep. */
  wake(reason: unknown): void {
    for (const off of this.#sleepers) off(reason);
  }

  get waiting(): number {
    return this.#due.size;
  }

  fire(id: number): void {
    const then = this.#due.get(id);
    this.#due.delete(id);
    then?.();
  }
}
