/** The isolates of a cell about which a fault may still be reported: each once, unless it was dropped long before. */

import { FrameKind, type FaultPayload, type FrameHead } from '@corral/protocol/wire/frame';
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
  /** CPU time that loading may take, of isolates of which the cell has not said yet that they are loaded. Milliseconds. */
  readonly #loads_ms = new Map<number, number>();
  /** CPU time of loads in advance that no task has counted yet, in milliseconds. */
  readonly #due_ms = new Map<number, number>();

  /** Number of isolates made so far. */
  get made(): number {
    return this.#made;
  }

  /** @param load_ms CPU time that loading its bundle may take @returns assignment of the new isolate */
  make(load_ms: number): number {
    this.#made += 1;
    this.#loads_ms.set(this.#made, load_ms);
    this.#faultable.add(this.#made);
    return this.#made;
  }

  /** Whether a sound cell can send such a frame, judged by its header alone. */
  expects(head: FrameHead, task: Task | undefined): boolean {
    const { kind, assignment } = head;
    // A bundle that failed to load is reported before the crank that was sent after it.
    if (kind === FrameKind.fault) return this.#faultable.has(assignment) || (task?.kind === 'describe' && assignment === task.assignment);
    // A task that was sent ahead and taken back still loads its bundle, however many isolates were dropped meanwhile.
    if (kind === FrameKind.loaded) return this.#loads_ms.has(assignment) || (task?.assignment === assignment && task.isLoading);
    return task?.isAnsweredBy(head) === true;
  }

  faulted(assignment: number): void {
    this.#faultable.delete(assignment);
    this.#loaded.delete(assignment);
    this.#loads_ms.delete(assignment);
  }

  answered(assignment: number): void {
    if (this.#faultable.has(assignment)) this.#loaded.add(assignment);
  }

  /** The cell says that the bundle is loaded, which it may say once. */
  saysLoaded(assignment: number): void {
    this.#loads_ms.delete(assignment);
    this.answered(assignment);
  }

  /** CPU time that loading the bundle may take; 0 once it is loaded. Milliseconds. */
  load_ms(assignment: number): number {
    return this.#loaded.has(assignment) ? 0 : (this.#loads_ms.get(assignment) ?? 0);
  }

  /**
   * Whether a sound cell can report this fault: a bundle loads once, and only a replay can differ from the record, in a crank that it was
   * given.
   */
  mayReport({ fault, crank }: FaultPayload, assignment: number, task: Task | undefined): boolean {
    if (fault === 'diverged') return task?.kind === 'replay' && task.assignment === assignment && (crank ?? task.crank) <= task.crank;
    return (fault !== 'load' && fault !== 'load_timeout') || !this.#loaded.has(assignment);
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
    this.#due_ms.delete(assignment);
    if (!this.#faultable.has(assignment)) return;
    this.#dropped.push(assignment);
    if (this.#dropped.length > DROPPED) this.faulted(this.#dropped.shift() as number);
  }
}
