/**
 * Decides how many cells a tenant has: finds one for the runs that wait, takes one from a tenant that needs it less, and ends those that are
 * not used.
 */
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';
import { leastNeeded } from './occupancy.ts';
import type { CellPool } from './pool.ts';
import type { Seats } from './seats.ts';
import { Waiting } from './turns.ts';

export interface SupplyOptions {
  readonly clock: Clock;
  readonly pool: CellPool;
  readonly seats: Seats;
  /** How long an empty cell is kept for its tenant. Milliseconds. */
  readonly cell_idle_ms: number;
  /** Number of runs that are in a cell or are being brought into it. */
  readonly load: (cell: Cell) => number;
  /** Whether a run waits for its turn, for a cell or for its journal. */
  readonly isBusy: (run: Run) => boolean;
  /** Whether a cell was killed on purpose, and its process has not ended yet. */
  readonly isKilling: () => boolean;
  /** Gives a cell its next work. */
  readonly pump: (cell: Cell) => void;
  readonly kill: (cell: Cell) => void;
  /** Moves the runs that have something to do out of a cell. */
  readonly empty: (cell: Cell) => void;
}

/** How long an unused cell is kept that its tenant has beyond its share. Milliseconds. */
const SURPLUS_MS = 500;

export class Supply {
  readonly #options: SupplyOptions;
  /** Runs that wait to be brought into a cell, by tenant. */
  readonly waiting = new Waiting<Run>();
  /** Since when a cell has been without work, on the monotonic clock. */
  readonly #unused = new WeakMap<Cell, number>();

  constructor(options: SupplyOptions) {
    this.#options = options;
  }

  /** Finds a cell for a tenant's waiting runs, or takes one away from another tenant. */
  serve(tenant: TenantId): void {
    if (!this.#yields(tenant) && this.#options.pool.seat(tenant, this.#options.load) === undefined) this.#reclaim(tenant);
    else this.#pumpAll(tenant);
  }

  readonly #yields = (tenant: TenantId): boolean => this.waiting.mustYield(tenant, this.#options.pool.count());

  #pumpAll(tenant: TenantId): void {
    for (const cell of this.#options.pool.cells) {
      if (!this.waiting.has(tenant)) return;
      if (cell.tenant === tenant && !cell.killed && !cell.taken) this.#options.pump(cell);
    }
  }

  /**
   * Periodic work: kills cells that were not used for a while, sooner if the tenant has them beyond its share, and finds cells for runs
   * that have none.
   */
  maintain(): void {
    const now = this.#options.clock.monotonic();
    for (const cell of this.#options.pool.cells) {
      const { tenant } = cell;
      if (tenant === undefined || !cell.idling || this.#isWanted(cell)) {
        this.#unused.delete(cell);
        continue;
      }
      const since = this.#unused.get(cell) ?? now;
      this.#unused.set(cell, since);
      const spare = this.#options.pool.surplus(tenant) > 0 && now - since >= SURPLUS_MS;
      if (spare || (this.#options.load(cell) === 0 && now - since >= this.#options.cell_idle_ms)) this.#options.kill(cell);
    }
    // Runs that wait behind a long crank move as soon as another cell has room.
    for (const cell of this.#options.pool.cells)
      if (cell.taken && (this.#options.seats.found(cell)?.ready.length ?? 0) > 0) this.#options.empty(cell);
    for (const tenant of this.waiting.tenants(true)) this.serve(tenant);
  }

  /** Whether a run in the cell, or one that waits for a cell of its tenant, has something to do. */
  #isWanted(cell: Cell): boolean {
    if (cell.tenant !== undefined && this.waiting.has(cell.tenant)) return true;
    const occupancy = this.#options.seats.found(cell);
    if (occupancy === undefined) return false;
    return (
      occupancy.ready.length + occupancy.pages.length > 0 ||
      occupancy.byAssignment.values().some((run) => run.runnable || this.#options.isBusy(run))
    );
  }

  /** Takes a cell away from another tenant for one that has none, if none is left. The runs in it go on elsewhere. */
  #reclaim(tenant: TenantId): void {
    if (this.#options.isKilling() || this.#options.pool.seat(tenant, this.#options.load) !== undefined) return this.settle();
    const cell = leastNeeded(
      this.#options.pool.cells,
      this.#options.pool.count(),
      tenant,
      (one) => this.#isWanted(one),
      this.#options.load,
    );
    if (cell !== undefined) this.#options.kill(cell);
  }

  /** Tries again to find cells for the runs that wait for one. */
  settle(): void {
    for (const tenant of this.waiting.tenants())
      if (!this.#yields(tenant) && this.#options.pool.seat(tenant, this.#options.load) !== undefined) this.#pumpAll(tenant);
  }

  /** Kills a tenant's empty cells; called when it has no run in memory any more. */
  retire(tenant: TenantId): void {
    for (const cell of this.#options.pool.cells)
      if (cell.tenant === tenant && this.#options.load(cell) === 0 && cell.idling) this.#options.kill(cell);
  }
}
