/** The isolates of a cell about which a fault may still be reported: each once, unless it was dropped long before. */

import type { FaultPayload } from '@corral/protocol/wire/frame';
import type { Task } from './task.ts';

/** Dropped isolates about which a fault may still be reported. */
const DROPPED = 64;

/** An isolate that was made in advance. */
export interface Made {
  readonly assignment: number;
  /** CPU time that this took. */
  readonly load_ms: number;
}

export class Isolates {
  #made = 0;
  readonly #faultable = new Set<number>();
  readonly #dropped: number[] = [];
  /** Isolates whose bundle has loaded, because they have answered. */
  readonly #loaded = new Set<number>();
  /** CPU time of loads in advance that no task has counted yet, in milliseconds. */
  readonly #due_ms = new Map<number, number>();

  /** Number of isolates made so far. */
  get made(): number {
    return this.#made;
  }

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
    this.#loaded.delete(assignment);
  }

  answered(assignment: number): void {
    if (this.#faultable.has(assignment)) this.#loaded.add(assignment);
  }

  /**
   * Whether a sound cell can report this fault: a bundle loads once, and only a replay can differ from the record, in a crank that it was
   * given.
   */
  mayReport({ fault, crank }: FaultPayload, assignment: number, task: Task | undefined): boolean {
    if (fault === 'diverged') return task?.kind === 'replay' && task.assignment === assignment && (crank ?? task.crank) <= task.crank;
    return fault !== 'load' || !this.#loaded.has(assignment);
  }

  /** A run got an isolate that was made in advance. */
  given({ assignment, load_ms }: Made): void {
    this.#due_ms.set(assignment, load_ms);
  }

  /** CPU time that the next task of an isolate has to count for its load in advance; 0 from then on. Milliseconds. */
  takeLoad_ms(assignment: number): number {
    const due_ms = this.#due_ms.get(assignment) ?? 0;
    this.#due_ms.delete(assignment);
    return due_ms;
  }

  /** A dropped isolate may have failed to load just before, so a report of that may still arrive. */
  drop(assignment: number): void {
    this.#loaded.delete(assignment);
    this.#due_ms.delete(assignment);
    if (!this.#faultable.has(assignment)) return;
    this.#dropped.push(assignment);
    if (this.#dropped.length > DROPPED) this.#faultable.delete(this.#dropped.shift() as number);
  }
}
