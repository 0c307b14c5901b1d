/** Who sits in a cell, who of them has something to do, and who is on the way in; and which cell is needed the least. */
import type { TenantId } from '@corral/protocol/ids';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';
import { Room } from './room.ts';
import { Line, Turns, type Arrivals } from './turns.ts';

/**
 * Runs that one cell brings in at once, the next one's journal being read while one is replayed; and how long a process takes to give
 * up isolates.
 */
export const BOARDING = { at_once: 2, relief_ms: 30 } as const;

/** What a cell is to do, and for which run. */
export interface Next {
  readonly what: 'crank' | 'replay' | 'admit';
  readonly run: Run;
}

export class Occupancy {
  readonly byAssignment = new Map<number, Run>();
  /** Runs that sit here and have something to do, in turn. */
  readonly ready = new Line<Run>();
  /** Runs that are being brought in, and whose next page is there. */
  readonly pages = new Line<Run>();
  readonly turns = new Turns();
  readonly room: Room;
  /** Isolates were just given up, and it has not shown yet what that frees. */
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
   * The next thing to do here: those who sit here and those who come in take turns.
   * @param idling whether the cell is at nothing; else only cranks can be sent behind the one it is at
   * @param arrivals runs of its tenant that want to come in
   * @param mayBoard whether one more may be brought in by replay
   * @param onFull somebody wants to come in, and has no room
   * @returns undefined where there is nothing that can be done now
   */
  next(idling: boolean, arrivals: Arrivals<Run> | undefined, mayBoard: () => boolean, onFull: () => void): Next | undefined {
    const { ready, pages, turns } = this;
    const crank = (): Next => ({ what: 'crank', run: ready.shift() as Run });
    const wanted = (arrivals?.length ?? 0) > 0;
    const others = pages.length > 0 || (wanted && this.hasRoom);
    if (ready.length > 0 && !(others && turns.isSeconds)) {
      turns.first(others);
      return crank();
    }
    if (pages.length > 0) {
      // Replays are not sent ahead of their turn.
      if (!idling) return undefined;
      turns.second();
      return { what: 'replay', run: pages.shift() as Run };
    }
    const run = others ? arrivals?.next(mayBoard()) : undefined;
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

/**
 * The cell that is taken away for a tenant that has none: of whoever has the most, the least needed. Where everybody has one,
 * somebody must have no use for theirs.
 * @param load how many runs sit in a cell
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
    if (cell.tenant === undefined || cell.tenant === tenant || cell.doomed || cell.paused) continue;
    const idle = cell.idling && !isWanted(cell);
    if (most > 1 ? counts.get(cell.tenant) !== most : !idle) continue;
    // One that computes for long before one that many share: its run alone begins its crank again.
    const need = idle ? load(cell) / 1e6 : cell.stuck ? 1 : 1 + load(cell);
    if (need >= least) continue;
    best = cell;
    least = need;
  }
  return best;
}
