/** Timers are effects: the host keeps them, so they survive a restart and cost nothing while they run. */
import type { Effects } from './effects.ts';

export class Timers {
  readonly #effects: Effects;
  readonly #due = new Map<number, () => void>();
  /** setInterval hands out one number for a series of timers. */
  readonly #current = new Map<number, number>();

  constructor(effects: Effects) {
    this.#effects = effects;
  }

  start(ms: number, then: () => void): number {
    const id = this.#effects.pushNumbered({ kind: 'timer', ms: Number.isFinite(ms) && ms > 0 ? ms : 0 });
    this.#due.set(id, then);
    return id;
  }

  repeat(ms: number, then: () => void): number {
    const first = this.start(ms, () => again());
    const again = () => {
      this.#current.set(first, this.start(ms, again));
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

  /** Stops all of them. */
  stopAll(): void {
    for (const id of this.#due.keys()) this.#effects.push({ kind: 'abort', id });
    this.#due.clear();
    this.#current.clear();
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
