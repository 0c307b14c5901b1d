/** What a run in memory will meet by the clock: one alarm of each kind, and one for each thing that it waits for until a time. */

/** `wall`: the look at its wall time; `grace`: its end, once it was asked to stop; `slow`: what holds it back until then is over. */
export type Alarm = 'wall' | 'grace' | 'slow';

export class Alarms {
  /** By kind, or by the number of what it waits for: what calls them off. */
  readonly #set = new Map<Alarm | number, () => void>();

  has(which: Alarm | number): boolean {
    return this.#set.has(which);
  }

  /** @param stop calls it off, as the next one of the same kind does */
  set(which: Alarm | number, stop: () => void): void {
    this.#set.get(which)?.();
    this.#set.set(which, stop);
  }

  /** It went off. */
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
