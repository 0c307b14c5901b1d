/**
 * The cells of this machine, with spares that are kept warm. A cell has no tenant until it is bound to one; it is bound once, and never
 * given to another tenant.
 */
import { newId, type TenantId } from '@corral/protocol/ids';
import type { CellLauncher, Clock, ProcessExit, Random } from '@corral/protocol/ports/machine';
import { Cell, type CellEvents } from './cell.ts';
import { isApart, tenantOf, type Household } from './household.ts';

export interface PoolOptions {
  readonly launcher: CellLauncher;
  readonly clock: Clock;
  readonly random: Random;
  /** Warm cells that wait for a tenant. */
  readonly spares: number;
  readonly cellsPerTenant: (tenant: TenantId) => number;
  /** Cells of all tenants together. */
  readonly maxCells: number;
  readonly events: CellEvents;
}

/** Cells that a tenant may have in addition while some of its cells are reserved for single runs, or have runs that are apart. */
const BESIDE_TAKEN = 2;
/** After this many cells in a row that died before they were ready, no cell is started for a while. */
const HOPELESS = 3;
/** Length of that while in milliseconds: the first one, and the maximum to which it is doubled each time. */
const RETRY_MS = 1_000;
const RETRY_LONGEST_MS = 5_000;

/** Whether a process ended by SIGKILL, which a shell or a sandbox in between reports as exit code 128 + 9. */
const wasKilled = ({ code, signal }: ProcessExit) => signal === 'SIGKILL' || code === 137;

export class CellPool {
  readonly #options: PoolOptions;
  readonly #cells = new Set<Cell>();
  readonly #spares = new Set<Cell>();
  #incarnations = 0;
  #failures = 0;
  #everStarted = false;
  #failing = false;
  #retry_ms = RETRY_MS;
  #retrying = false;
  #closed = false;

  readonly #events: CellEvents;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { events } = options;
    this.#events = {
      ...events,
      onReady: (cell) => {
        this.#started();
        events.onReady(cell);
      },
      onExit: (cell, exit, error) => {
        this.#remove(cell, exit);
        events.onExit(cell, exit, error);
      },
    };
    this.#refill();
  }

  /** Cells that are kept free of tenants, for the host's own use. */
  get #reserve(): number {
    return this.#options.maxCells > 1 ? 1 : 0;
  }

  get cells(): ReadonlySet<Cell> {
    return this.#cells;
  }

  /** Whether no cell has ever started on this host, and several have failed. The pool goes on trying, since the cause may pass. */
  get hopeless(): boolean {
    return this.#failing && !this.#everStarted;
  }

  /** Whether several cells in a row have died before they were ready, and none has become ready since. */
  get failing(): boolean {
    return this.#failing;
  }

  /**
   * Maximum of cells of one tenant, reserved ones included. It is less than the host's maximum, so that another tenant's run finds a cell.
   */
  mostPerTenant(tenant: TenantId): number {
    const { cellsPerTenant, maxCells } = this.#options;
    return Math.max(1, Math.min(cellsPerTenant(tenant) + BESIDE_TAKEN, maxCells - Math.ceil(maxCells / 4)));
  }

  /** Number of cells of each tenant, without those that were killed. */
  count(): Map<TenantId, number> {
    const counts = new Map<TenantId, number>();
    for (const { tenant, killed } of this.#cells) if (tenant !== undefined && !killed) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    return counts;
  }

  /** Number of a tenant's cells beyond its usual maximum, which holds when none of them is reserved. */
  surplus(tenant: TenantId): number {
    return (this.count().get(tenant) ?? 0) - this.#options.cellsPerTenant(tenant);
  }

  /**
   * Finds a cell for one more run of a household: the least loaded one, or a new one if all are busy and the tenant may have another.
   * @param load number of runs in a cell
   * @returns undefined if the household has no cell and none can be started for it
   */
  seat(household: Household, load: (cell: Cell) => number): Cell | undefined {
    const tenant = tenantOf(household);
    let best: Cell | undefined;
    let held = 0;
    let all = 0;
    for (const cell of this.#cells) {
      if (cell.tenant !== tenant || cell.killed) continue;
      // A cell that is reserved for a single run does not count.
      if (!cell.taken && !isApartIn(cell)) held += 1;
      all += 1;
      if (cell.tenure.household !== household) continue;
      if (best === undefined || rank(cell, load) < rank(best, load)) best = cell;
    }
    const full = (held >= this.#options.cellsPerTenant(tenant) && !isApart(household)) || all >= this.mostPerTenant(tenant);
    if (best === undefined) return full && all > 0 ? undefined : this.#bind(household);
    if (rank(best, load) < BUSY || full) return best;
    // All are busy: bind another one, which is used as soon as it has started.
    const more = this.#spares.size > 0 || this.#starting() === 0 ? this.#bind(household) : undefined;
    return more !== undefined && rank(more, load) < rank(best, load) ? more : best;
  }

  /** Whether a run of a tenant can have a cell of its own beside the others of the tenant, so that none of these has to go for it. */
  hasRoomBeside(tenant: TenantId): boolean {
    const most = this.#options.maxCells - this.#reserve;
    return (
      (this.count().get(tenant) ?? 0) < this.mostPerTenant(tenant) && (this.#spares.size > 0 || (this.#cells.size < most && !this.#resting))
    );
  }

  /** A cell for one use by the host itself; the caller kills it. */
  borrow(): Cell | undefined {
    return this.#bind(undefined);
  }

  /** Called when a cell has started. */
  #started(): void {
    this.#everStarted = true;
    this.#failing = false;
    this.#failures = 0;
    this.#retry_ms = RETRY_MS;
    this.#refill();
  }

  /** Called when a cell's process is gone. If it was killed, it does not count as a failed start. */
  #remove(cell: Cell, exit: ProcessExit): void {
    if (cell.runtime === undefined && !this.#closed && !wasKilled(exit)) this.#failures += 1;
    if (this.#failures >= HOPELESS) this.#failing = true;
    this.#cells.delete(cell);
    this.#spares.delete(cell);
    this.#refill();
  }

  close(): void {
    this.#closed = true;
    for (const cell of this.#cells) cell.kill();
  }

  #bind(household: Household | undefined): Cell | undefined {
    if (this.#closed) return undefined;
    const [spare] = this.#spares;
    if (spare !== undefined) this.#spares.delete(spare);
    // One cell is left for the host itself, which describes bundles in it.
    const most = this.#options.maxCells - (household === undefined ? 0 : this.#reserve);
    const cell = spare ?? (this.#cells.size < most && !this.#resting ? this.#launch() : undefined);
    if (cell === undefined) return undefined;
    cell.tenure.begin(household);
    this.#refill();
    return cell;
  }

  /** Whether no cell is started until the next attempt is due, because several in a row failed. */
  get #resting(): boolean {
    return this.#failures >= HOPELESS;
  }

  /** Starts spares one after the other, and not while another cell starts: a starting process uses a good part of a core. */
  #refill(): void {
    if (this.#closed || this.#resting) return this.#retryLater();
    // Admission waits for the versions of Node that the first cell reports, so one is started though no run needs it yet.
    const spares = this.#everStarted ? this.#options.spares : Math.max(1, this.#options.spares);
    if (this.#spares.size >= spares || this.#cells.size >= this.#options.maxCells - this.#reserve) return;
    if (this.#starting() > 0) return;
    this.#spares.add(this.#launch());
  }

  /** Schedules the next attempt after cells failed to start. Without the pause, a machine that is out of memory would do nothing else. */
  #retryLater(): void {
    if (this.#closed || this.#retrying) return;
    this.#retrying = true;
    this.#options.clock.after(this.#retry_ms, () => {
      this.#retrying = false;
      this.#retry_ms = Math.min(this.#retry_ms * 2, RETRY_LONGEST_MS);
      this.#failures = 0;
      this.#refill();
    });
  }

  #starting(): number {
    let starting = 0;
    for (const cell of this.#cells) if (!cell.ready && !cell.killed) starting += 1;
    return starting;
  }

  #launch(): Cell {
    const { launcher, clock, random } = this.#options;
    this.#incarnations += 1;
    const cell = new Cell(newId('cell', random), this.#incarnations, launcher, () => clock.monotonic(), this.#events);
    this.#cells.add(cell);
    return cell;
  }
}

/** Order of cells for a new run: free ones, then busy ones, then those that are starting; reserved ones come last. */
export const BUSY = 1e6;
const STARTING = 1e7;
const TAKEN = 1e9;
/** A cell that makes an isolate in advance is free soon, and has compiled the bundle already. */
const isApartIn = ({ tenure: { household } }: Cell) => household !== undefined && isApart(household);
const isBusy = ({ task }: Cell) => task !== undefined && task.kind !== 'spare';
const rank = (cell: Cell, load: (cell: Cell) => number) =>
  load(cell) + (cell.taken ? TAKEN : !cell.ready ? STARTING : isBusy(cell) ? BUSY : 0);
