/** Timers of a run in memory: one of each kind, and one for each pending thing that has a time. */

/**
 * `wall`: checks its wall time; `grace`: ends it after a cancel; `slow`: ends the time for which deliveries are held back; `stalled`: looks
 * whether it can still wake.
 */
export type Alarm = 'wall' | 'grace' | 'slow' | 'stalled';

export class Alarms {
  /** Functions that cancel the timers, by kind or by the number of the pending thing. */
  readonly #set = new Map<Alarm | number, () => void>();

  has(which: Alarm | number): boolean {
    return this.#set.has(which);
  }

  /** Sets a timer; it replaces one of the same kind. @param stop cancels it */
  set(which: Alarm | number, stop: () => void): void {
    this.#set.get(which)?.();
    this.#set.set(which, stop);
  }

  /** Called when a timer has fired. */
  rang(which: Alarm | number): void {
    this.#set.delete(which);
  }

  callOff(which: Alarm | number): void {
    this.#set.get(which)?.();
    this.#set.delete(which);
  }

  callOffAll(): void {
    for (const stop of this.#set.values()) stop();
    this.#set.clear();
  }
}
