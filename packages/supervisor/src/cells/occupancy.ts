/**
 * The runs in a cell: those that have something to do, and those that are being brought in. Also finds the cell that is needed the least.
 */
import type { TenantId } from '@corral/protocol/ids';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';
import { Room } from './room.ts';
import { Line, Turns, type Arrivals } from './turns.ts';

/** Runs that are brought into one cell at once: the journal of the next one is read while one is replayed. */
export const REPLAYS_AT_ONCE = 2;
/** Time after which a process has freed the memory of isolates that were disposed of. Milliseconds. */
export const RELIEF_MS = 30;

/** The next piece of work of a cell, and its run. */
export interface Next {
  readonly what: 'crank' | 'replay' | 'admit';
  readonly run: Run;
}

export class Occupancy {
  readonly byAssignment = new Map<number, Run>();
  /** Runs in this cell that have something to do, in order. */
  readonly ready = new Line<Run>();
  /** Runs that are being brought in, and whose next page was read. */
  readonly pages = new Line<Run>();
  readonly turns = new Turns();
  readonly room: Room;
  /** Isolates were just disposed of, and the memory that this frees is not measured yet. */
  relieving = false;

  constructor(cell: Cell, cell_memory_mib: number) {
    this.room = new Room(cell, cell_memory_mib);
  }

  /** Whether one more isolate has room here. */
  get hasRoom(): boolean {
    return this.room.has(this.byAssignment.size, () => {
      let heap_kib = 0;
      for (const run of this.byAssignment.values()) heap_kib += run.heap_kib;
      return heap_kib / 1024;
    });
  }

  /**
   * Chooses the next piece of work. Runs in the cell and runs that are brought in take turns.
   * @param idling whether the cell has no task; else only a crank can be sent behind the present one
   * @param arrivals runs of the tenant that wait to be brought in
   * @param mayReplay whether one more run may be brought in by replay
   * @param onFull called if a run waits to be brought in and the cell has no room
   * @returns undefined if there is nothing to do now
   */
  next(
    idling: boolean,
    arrivals: Pick<Arrivals<Run>, 'length' | 'next'> | undefined,
    mayReplay: () => boolean,
    onFull: () => void,
  ): Next | undefined {
    const { ready, pages, turns } = this;
    const crank = (): Next => ({ what: 'crank', run: ready.shift() as Run });
    const wanted = (arrivals?.length ?? 0) > 0;
    const others = pages.length > 0 || (wanted && this.hasRoom);
    if (ready.length > 0 && !(others && turns.isSeconds)) {
      turns.first(others);
      return crank();
    }
    if (pages.length > 0) {
      // Only cranks are sent ahead of their turn.
      if (!idling) return undefined;
      turns.second();
      return { what: 'replay', run: pages.shift() as Run };
    }
    const run = others ? arrivals?.next(mayReplay()) : undefined;
    if (run !== undefined) {
      turns.second();
      return { what: 'admit', run };
    }
    if (wanted && !others) onFull();
    if (ready.length === 0) return undefined;
    turns.second();
    return crank();
  }
}

/** How long a household may keep its cell after the first crank in it while another of its tenant waits for one. Milliseconds. */
const HOLD_MS = 100;

/**
 * The cell that is taken away within a tenant, for a household of it that has none: one without work, or else the one that its household
 * has had for longest. Each has one crank at least, so that every run gets on, however long its replay takes.
 */
export function leastNeededWithin(
  cells: Iterable<Cell>,
  tenant: TenantId,
  { isWanted, load, now }: { readonly isWanted: (cell: Cell) => boolean; readonly load: (cell: Cell) => number; readonly now: number },
): Cell | undefined {
  let best: Cell | undefined;
  let most = Number.NEGATIVE_INFINITY;
  for (const cell of cells) {
    if (cell.tenant !== tenant || cell.killed || cell.paused) continue;
    const held_ms = cell.tenure.crankedSince === undefined ? 0 : now - cell.tenure.crankedSince;
    const idle = cell.idling && !isWanted(cell);
    if (!idle && held_ms < HOLD_MS) continue;
    const rank = idle ? Number.MAX_SAFE_INTEGER - load(cell) : held_ms;
    if (rank <= most) continue;
    best = cell;
    most = rank;
  }
  return best;
}

/**
 * The cell that is taken away for a tenant that has none: the least needed one of the tenants that have the most. If no tenant has more
 * than one, only a cell without work is taken.
 * @param isWanted whether a run has something to do in the cell
 * @param load number of runs in a cell
 */
export function leastNeeded(
  cells: Iterable<Cell>,
  counts: ReadonlyMap<TenantId, number>,
  tenant: TenantId,
  isWanted: (cell: Cell) => boolean,
  load: (cell: Cell) => number,
): Cell | undefined {
  let best: Cell | undefined;
  let least = Number.POSITIVE_INFINITY;
  const most = Math.max(0, ...counts.values());
  for (const cell of cells) {
    if (cell.tenant === undefined || cell.tenant === tenant || cell.killed || cell.paused) continue;
    const idle = cell.idling && !isWanted(cell);
    if (most > 1 ? counts.get(cell.tenant) !== most : !idle) continue;
    // A cell with a long crank is taken before one with many runs, because only one run has to repeat its crank.
    const need = idle ? load(cell) / 1e6 : cell.stuck ? 1 : 1 + load(cell);
    if (need >= least) continue;
    best = cell;
    least = need;
  }
  return best;
}
