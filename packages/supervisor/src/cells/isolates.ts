/** The isolates of a cell about which a fault may still be reported: each once, unless it was dropped long before. */

/** Dropped isolates about which a fault may still be reported. */
const DROPPED = 64;

export class Isolates {
  #made = 0;
  readonly #faultable = new Set<number>();
  readonly #dropped: number[] = [];

  /** @returns assignment of the new isolate */
  make(): number {
    this.#made += 1;
    this.#faultable.add(this.#made);
    return this.#made;
  }

  mayFault(assignment: number): boolean {
    return this.#faultable.has(assignment);
  }

  faulted(assignment: number): void {
    this.#faultable.delete(assignment);
  }

  /** A dropped isolate may have failed to load just before, so a report of that may still arrive. */
  drop(assignment: number): void {
    if (!this.#faultable.has(assignment)) return;
    this.#dropped.push(assignment);
    if (this.#dropped.length > DROPPED) this.#faultable.delete(this.#dropped.shift() as number);
  }
}
