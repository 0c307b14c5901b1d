/**
 * Whether a cell has room for one more isolate, by the measured memory of its process. A cell that is full accepts no run until its memory
 * has fallen to a lower mark, so that it does not alternate at the edge and does not reach the limit at which it is killed.
 */
import type { Cell } from './cell.ts';

/** Shares of a cell's maximum memory at which it is full, and at which it has room again. */
const FULL = 0.7;
const ROOM = 0.55;
/** Assumed memory of a new isolate until its process is measured. */
const ISOLATE_MIB = 1.5;
/** Room for isolates that a cell has at least, however small its maximum memory is. */
const LEAST_MIB = 24;
/** Assumed memory of an empty process until it is measured. */
const PROCESS_MIB = 60;

export class Room {
  readonly #cell: Cell;
  readonly #cell_memory_mib: number;
  /** Memory of the process before it had isolates. */
  #empty_mib: number | undefined;
  #full = false;
  /** Isolates made since the last measurement of the process, and that measurement. */
  #made = 0;
  #look: unknown;

  constructor(cell: Cell, cell_memory_mib: number) {
    this.#cell = cell;
    this.#cell_memory_mib = cell_memory_mib;
  }

  /** Called when an isolate was made in the cell. */
  made(): void {
    this.#refresh();
    this.#made += 1;
  }

  /**
   * Whether one more isolate fits.
   * @param isolates number of isolates in the cell
   * @param heap_mib their heaps, for platforms that do not report the memory of a process
   */
  has(isolates: number, heap_mib: () => number): boolean {
    this.#refresh();
    // An empty cell always has room for one run, or that run would never go on.
    if (isolates === 0) return true;
    const used = this.#used_mib(heap_mib);
    const most = this.#most_mib;
    this.#full = used > most * (this.#full ? ROOM / FULL : 1);
    return !this.#full;
  }

  /** Whether a cell that is empty still holds so much memory that a new cell is of more use. */
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
