/** Which isolates of a cell may be reported lost: each once, if it was not dropped long before. */

/** Isolates that were dropped and may still be reported lost. */
const DROPPED = 64;

export class Isolates {
  #made = 0;
  readonly #faultable = new Set<number>();
  readonly #dropped: number[] = [];

  /** @returns how the new one is called in its cell */
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

  /** What is dropped may have failed to load just before, so a report of that may still be on its way. */
  drop(assignment: number): void {
    if (!this.#faultable.has(assignment)) return;
    this.#dropped.push(assignment);
    if (this.#dropped.length > DROPPED) this.#faultable.delete(this.#dropped.shift() as number);
  }
}
