/** The life of a simulated host: it can be stopped for a while, as by SIGSTOP, and it can die. */
export class Pulse {
  #alive = true;
  /** Events that arrived while the host was stopped; undefined while it runs. */
  #held: (() => void)[] | undefined;

  /** How often it was stopped. */
  stops = 0;

  readonly alive = (): boolean => this.#alive;

  get isStopped(): boolean {
    return this.#held !== undefined;
  }

  /** An event reaches the host: now, once the host goes on, or never. */
  when(then: () => void): void {
    if (!this.#alive) return;
    if (this.#held === undefined) then();
    else this.#held.push(then);
  }

  die(): void {
    this.#alive = false;
    this.#held = undefined;
  }

  stop(): void {
    if (this.#held === undefined) this.stops += 1;
    this.#held ??= [];
  }

  /** @param each schedules an event; those that arrived meanwhile happen in their order */
  go(each: (then: () => void) => void): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const then of held) each(() => this.when(then));
  }
}
