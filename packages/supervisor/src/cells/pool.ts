/**
 * The cells of this machine: who has which, and one spare kept warm. A cell belongs to no tenant until it is bound, once;
 * it is never handed on, whatever its tenant did in it.
 */
import { newId, type TenantId } from '@corral/protocol/ids';
import type { CellLauncher, Clock, ProcessExit, Random } from '@corral/protocol/ports/machine';
import { Cell, type CellEvents } from './cell.ts';

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

/** Cells a tenant may have besides, while others of its cells are taken by single runs. */
const BESIDE_TAKEN = 2;
/** After this many cells in a row that died before they were ready, no more are started for a while. */
const HOPELESS = 3;
/** The first such while, which doubles each time up to the longest one. */
const RETRY_MS = 1_000;
const RETRY_LONGEST_MS = 5_000;

/** By SIGKILL, which a shell or a sandbox in between reports as 128 + 9. */
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

  /** Cells that no tenant is given. */
  get #reserve(): number {
    return this.#options.maxCells > 1 ? 1 : 0;
  }

  get cells(): ReadonlySet<Cell> {
    return this.#cells;
  }

  /** Whether no cell has ever started under this host, and several have failed to. It goes on trying, since the cause may pass. */
  get hopeless(): boolean {
    return this.#failing && !this.#everStarted;
  }

  /** Whether several cells in a row have died before they were ready, and none has become ready since. */
  get failing(): boolean {
    return this.#failing;
  }

  /** Cells one tenant may have, taken ones included: never all there are, so that another tenant's run finds one. */
  mostPerTenant(tenant: TenantId): number {
    const { cellsPerTenant, maxCells } = this.#options;
    return Math.max(1, Math.min(cellsPerTenant(tenant) + BESIDE_TAKEN, maxCells - Math.ceil(maxCells / 4)));
  }

  /** Cells of each tenant that are not on their way out. */
  count(): Map<TenantId, number> {
    const counts = new Map<TenantId, number>();
    for (const { tenant, doomed } of this.#cells) if (tenant !== undefined && !doomed) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    return counts;
  }

  /** Cells a tenant has beyond what it may hold when none of them is taken. */
  surplus(tenant: TenantId): number {
    return (this.count().get(tenant) ?? 0) - this.#options.cellsPerTenant(tenant);
  }

  /**
   * A cell for one more run of a tenant: its least loaded one, unless all are on the CPU and it may have another.
   * @param load how many runs sit in a cell
   * @returns undefined when the machine has as many cells as it may and the tenant has none
   */
  seat(tenant: TenantId, load: (cell: Cell) => number): Cell | undefined {
    let best: Cell | undefined;
    let held = 0;
    let all = 0;
    for (const cell of this.#cells) {
      if (cell.tenant !== tenant || cell.doomed) continue;
      // One that is taken by a single run does not keep its tenant from having another.
      if (!cell.taken) held += 1;
      all += 1;
      if (best === undefined || rank(cell, load) < rank(best, load)) best = cell;
    }
    if (best === undefined) return this.#bind(tenant);
    if (rank(best, load) < BUSY || held >= this.#options.cellsPerTenant(tenant) || all >= this.mostPerTenant(tenant)) return best;
    // All are busy: another one, to be used as soon as it has started.
    const more = this.#spares.size > 0 || this.#starting() === 0 ? this.#bind(tenant) : undefined;
    return more !== undefined && rank(more, load) < rank(best, load) ? more : best;
  }

  /** A cell for one use by the host itself; the caller kills it. */
  borrow(): Cell | undefined {
    return this.#bind(undefined);
  }

  /** A cell has started. */
  #started(): void {
    this.#everStarted = true;
    this.#failing = false;
    this.#failures = 0;
    this.#retry_ms = RETRY_MS;
    this.#refill();
  }

  /** A cell's process is gone. One that somebody killed says nothing about the machine. */
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

  #bind(tenant: TenantId | undefined): Cell | undefined {
    if (this.#closed) return undefined;
    const [spare] = this.#spares;
    if (spare !== undefined) this.#spares.delete(spare);
    // One is left for the host itself, which looks at a bundle in it.
    const most = this.#options.maxCells - (tenant === undefined ? 0 : this.#reserve);
    const cell = spare ?? (this.#cells.size < most && !this.#resting ? this.#launch() : undefined);
    if (cell === undefined) return undefined;
    cell.bind(tenant);
    this.#refill();
    return cell;
  }

  /** Cells fail to start one after the other: none is started before the next attempt is due. */
  get #resting(): boolean {
    return this.#failures >= HOPELESS;
  }

  /** One after the other, and after those that somebody waits for: a starting process takes a good part of a core. */
  #refill(): void {
    if (this.#closed || this.#resting) return this.#retryLater();
    if (this.#spares.size >= this.#options.spares || this.#cells.size >= this.#options.maxCells - this.#reserve) return;
    if (this.#starting() > 0) return;
    this.#spares.add(this.#launch());
  }

  /** Cells fail to start. The next attempt comes after a pause, or a machine that is full would do nothing else. */
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
    for (const cell of this.#cells) if (!cell.ready && !cell.doomed) starting += 1;
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

/** A cell that is free comes before one that is busy, that before one that still starts, and one that is taken comes last. */
const BUSY = 1e6;
const STARTING = 1e7;
const TAKEN = 1e9;
const rank = (cell: Cell, load: (cell: Cell) => number) =>
  load(cell) + (cell.taken ? TAKEN : !cell.ready ? STARTING : cell.task === undefined ? 0 : BUSY);
