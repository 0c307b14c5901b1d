/** Who sits in a cell, who of them has something to do, and who is on the way in; and which cell is needed the least. */
import type { TenantId } from '@corral/protocol/ids';
import type { ReplayPage } from '@corral/protocol/store';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';
import { Room } from './room.ts';
import { Line, Turns } from './turns.ts';

/**
 * Runs that one cell brings in at once, the next one's journal being read while one is replayed; and how long a process takes to give
 * up isolates.
 */
export const BOARDING = { at_once: 2, relief_ms: 30 } as const;

/** A run on its way into a cell. */
export interface Boarding {
  readonly cell: Cell;
  /** The page that is being read. */
  next: Promise<ReplayPage> | undefined;
  /** The page whose turn it is. */
  page: ReplayPage | undefined;
  assignment: number | undefined;
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

/** Whether a tenant with cells must leave a free place to one that waits and has none: else it would take back what it just gave up. */
export function mustYield(
  tenant: TenantId,
  held: ReadonlyMap<TenantId, number>,
  waiting: Iterable<readonly [TenantId, { readonly length: number }]>,
): boolean {
  if (!held.has(tenant)) return false;
  for (const [other, arrivals] of waiting) if (arrivals.length > 0 && !held.has(other)) return true;
  return false;
}
