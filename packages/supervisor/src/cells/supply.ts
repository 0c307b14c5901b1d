/**
 * Decides how many cells a tenant has: finds one for the runs that wait, takes one from a tenant that needs it less, and ends those that are
 * not used.
 */
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';
import { isOfOneRun, tenantOf, type Household } from './household.ts';
import { leastNeeded, leastNeededWithin } from './occupancy.ts';
import { BUSY, type CellPool } from './pool.ts';
import type { Seats } from './seats.ts';
import { Waiting, type Arrivals } from './turns.ts';

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

/** How long the runs of a version that had a long crank are expected to have more of them. Milliseconds. */
const LONG_MS = 10_000;

export class Supply {
  readonly #options: SupplyOptions;
  /** Runs that wait to be brought into a cell, by household. */
  readonly waiting = new Waiting<Run>();
  /** Versions of agents whose runs had a long crank, and when one was last seen at it, on the monotonic clock. */
  readonly #long = new Map<string, number>();
  /** Since when a cell has been without work, on the monotonic clock. */
  readonly #unused = new WeakMap<Cell, number>();

  constructor(options: SupplyOptions) {
    this.#options = options;
  }

  /**
   * The runs that wait to be brought into a cell. If runs of a version compute for long, no further run of it begins in the last cell of the
   * household that is free of them. The other runs of the household use that cell, and do not wait for the end of a long crank.
   */
  arrivals(cell: Cell): Pick<Arrivals<Run>, 'length' | 'next'> | undefined {
    const arrivals = this.waiting.get(cell.tenure.household as Household);
    const long = arrivals === undefined || arrivals.fresh.length === 0 ? undefined : this.#longBeside(cell);
    if (arrivals === undefined || long === undefined) return arrivals;
    const mayBegin = (run: Run) => !long.has(run.ledger.version);
    return { length: arrivals.length, next: (mayReturn) => arrivals.next(mayReturn, mayBegin) };
  }

  /** The versions that are long, if one of them computes in this cell already, or in others and none of those is free of them. */
  #longBeside(cell: Cell): ReadonlyMap<string, number> | undefined {
    const { clock, pool, seats } = this.#options;
    const now = clock.monotonic();
    const versionIn = (other: Cell) => seats.onCpu(other)?.ledger.version;
    const isBeside = (other: Cell) => other !== cell && !other.killed && other.tenure.household === cell.tenure.household;
    for (const other of pool.cells) {
      const version = other.stuck && isBeside(other) ? versionIn(other) : undefined;
      if (version !== undefined) this.#long.set(version, now);
    }
    for (const [version, at] of this.#long) if (now - at > LONG_MS) this.#long.delete(version);
    // Mostly there is none, and this is asked for each cell and each run that begins.
    if (this.#long.size === 0) return undefined;
    const others = [...pool.cells].filter(isBeside);
    const isLong = (other: Cell) => this.#long.has(versionIn(other) ?? '');
    const isFree = (other: Cell) => other.ready && !other.taken && !isLong(other);
    return isLong(cell) || (others.some(isLong) && !others.some(isFree)) ? this.#long : undefined;
  }

  /** As `load`, with a cell that is kept free counted as busy, so that another one is started for the runs that may not begin in it. */
  readonly #load = (cell: Cell): number => {
    const arrivals = this.waiting.get(cell.tenure.household as Household);
    const first = arrivals?.returning.length === 0 ? arrivals.fresh.first : undefined;
    const isKept = first !== undefined && this.#longBeside(cell)?.has(first.ledger.version) === true;
    return this.#options.load(cell) + (isKept ? BUSY : 0);
  };

  /** Finds a cell for a household's waiting runs, or takes one away from others. */
  serve(household: Household): void {
    if (!this.#yields(household) && this.#options.pool.seat(household, this.#load) === undefined) this.#reclaim(household);
    else this.#pumpAll(household);
  }

  readonly #yields = (household: Household): boolean => this.waiting.mustYield(tenantOf(household), this.#options.pool.count());

  #pumpAll(household: Household): void {
    for (const cell of this.#options.pool.cells) {
      if (!this.waiting.has(household)) return;
      if (cell.tenure.household === household && !cell.killed && !cell.taken) this.#options.pump(cell);
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
      if (tenant === undefined || !cell.idling || this.isWanted(cell)) {
        this.#unused.delete(cell);
        continue;
      }
      const since = this.#unused.get(cell) ?? now;
      this.#unused.set(cell, since);
      const spare = this.#options.pool.surplus(tenant) > 0 && now - since >= SURPLUS_MS;
      const over = cell.tenure.household !== undefined && isOfOneRun(cell.tenure.household) && this.#options.load(cell) === 0;
      if (spare || over || (this.#options.load(cell) === 0 && now - since >= this.#options.cell_idle_ms)) this.#options.kill(cell);
    }
    // Runs that wait behind a long crank move as soon as another cell has room.
    for (const cell of this.#options.pool.cells)
      if (cell.taken && (this.#options.seats.found(cell)?.ready.length ?? 0) > 0) this.#options.empty(cell);
    for (const household of this.waiting.households(true)) this.serve(household);
  }

  /** Whether a run in the cell, or one that waits for such a cell, has something to do. */
  isWanted(cell: Cell): boolean {
    if (cell.tenure.household !== undefined && this.waiting.has(cell.tenure.household)) return true;
    const occupancy = this.#options.seats.found(cell);
    if (occupancy === undefined) return false;
    return (
      occupancy.ready.length + occupancy.pages.length > 0 ||
      occupancy.byAssignment.values().some((run) => run.runnable || this.#options.isBusy(run))
    );
  }

  /**
   * Takes a cell away for a household that has none, if none is left: from another household of its tenant if the tenant has all that it may
   * have, else from another tenant. The runs in it go on elsewhere.
   */
  #reclaim(household: Household): void {
    const { pool, load, clock } = this.#options;
    if (this.#options.isKilling() || pool.seat(household, this.#load) !== undefined) return this.settle();
    const tenant = tenantOf(household);
    const counts = pool.count();
    const isWanted = (one: Cell) => this.isWanted(one);
    const other = pool.surplus(tenant) < 0 ? leastNeeded(pool.cells, counts, tenant, isWanted, load) : undefined;
    if (other !== undefined) return this.#options.kill(other);
    for (const cell of pool.cells) if (cell.tenant === tenant && cell.tenure.retiring && !cell.killed) return;
    const cell = leastNeededWithin(pool.cells, tenant, { isWanted, load, now: clock.monotonic() });
    if (cell?.idling === true) this.#options.kill(cell);
    else cell?.tenure.retire();
  }

  /** Tries again to find cells for the runs that wait for one. */
  settle(): void {
    for (const household of this.waiting.households())
      if (!this.#yields(household) && this.#options.pool.seat(household, this.#load) !== undefined) this.#pumpAll(household);
  }

  /** Kills a tenant's empty cells; called when it has no run in memory any more. */
  retire(tenant: TenantId): void {
    for (const cell of this.#options.pool.cells)
      if (cell.tenant === tenant && this.#options.load(cell) === 0 && cell.idling) this.#options.kill(cell);
  }
}
