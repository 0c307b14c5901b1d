/**
 * Whether a cell has room for one more isolate, by what its process was measured to hold. A cell that is full takes nobody in until
 * enough of what it holds has left, so that it does not go to and fro at the edge, and never comes to the limit at which it is killed.
 */
import type { Cell } from './cell.ts';

/** Shares of its memory at which it is full, and has room again. */
const FULL = 0.7;
const ROOM = 0.55;
/** What an isolate is taken to hold until its process has been looked at. */
const ISOLATE_MIB = 1.5;
/** However little a cell may hold, some isolates fit beside what the process itself needs. */
const LEAST_MIB = 24;
/** What a process with nothing in it holds, until it has been looked at. */
const PROCESS_MIB = 60;

export class Room {
  readonly #cell: Cell;
  readonly #cell_memory_mib: number;
  /** What it held before anybody sat in it. */
  #empty_mib: number | undefined;
  #full = false;
  /** Isolates made since its process was looked at last, and that look. */
  #made = 0;
  #look: unknown;

  constructor(cell: Cell, cell_memory_mib: number) {
    this.#cell = cell;
    this.#cell_memory_mib = cell_memory_mib;
  }

  /** An isolate was made in it. */
  made(): void {
    this.#refresh();
    this.#made += 1;
  }

  /**
   * @param isolates that it holds
   * @param heap_mib what they are known to hold, for platforms that do not say what a process holds
   */
  has(isolates: number, heap_mib: () => number): boolean {
    this.#refresh();
    // Whatever it holds: with nobody in it, one must fit, or its run would never go on.
    if (isolates === 0) return true;
    const used = this.#used_mib(heap_mib);
    const most = this.#most_mib;
    this.#full = used > most * (this.#full ? ROOM / FULL : 1);
    return !this.#full;
  }

  /** It is empty, and what it holds all the same leaves little room: a new one is of more use. */
  get isSpent(): boolean {
    this.#refresh();
    return this.#used_mib(() => 0) > this.#most_mib * (ROOM / FULL);
  }

  get #most_mib(): number {
    return Math.max(LEAST_MIB, this.#cell_memory_mib * FULL - (this.#empty_mib ?? PROCESS_MIB));
  }

  #used_mib(heap_mib: () => number): number {
    const { idle } = this.#cell;
    const held = idle === undefined ? heap_mib() : idle.rss_mib - (this.#empty_mib ?? PROCESS_MIB);
    return Math.max(0, held) + this.#made * ISOLATE_MIB;
  }

  #refresh(): void {
    const { idle } = this.#cell;
    if (idle === undefined || idle === this.#look) return;
    this.#empty_mib ??= idle.rss_mib;
    this.#look = idle;
    this.#made = 0;
  }
}
