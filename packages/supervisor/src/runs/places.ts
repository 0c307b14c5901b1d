/**
 * Places of runs in memory. Each tenant has a maximum, and all tenants together have one; a tenant whose runs take as much memory as
 * they may brings none in. If the latter is reached, a tenant that has less
 * than its even share may still bring runs in, and tenants that have more make room. So no tenant can use up the places of another.
 */
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { RunRoom } from '@corral/protocol/ports/store';
import { Signal } from '../events/signal.ts';
import type { Run } from './run.ts';

/** The runs in memory, counted by tenant. */
export class RunTable extends Map<RunId, Run> {
  readonly #of = new Map<TenantId, number>();
  /** Emitted when a run has left memory. */
  readonly left = new Signal<[tenant: TenantId]>();

  override set(id: RunId, run: Run): this {
    if (!this.has(id)) this.#of.set(run.tenant, this.of(run.tenant) + 1);
    return super.set(id, run);
  }

  override delete(id: RunId): boolean {
    const run = this.get(id);
    if (run === undefined) return false;
    const left = this.of(run.tenant) - 1;
    if (left > 0) this.#of.set(run.tenant, left);
    else this.#of.delete(run.tenant);
    super.delete(id);
    this.left.emit(run.tenant);
    return true;
  }

  of(tenant: TenantId): number {
    return this.#of.get(tenant) ?? 0;
  }

  get tenants(): Iterable<TenantId> {
    return this.#of.keys();
  }

  get tenantCount(): number {
    return this.#of.size;
  }
}

export interface PlacesOptions {
  readonly runs: RunTable;
  /** Maximum of runs in memory, of all tenants together. */
  readonly runs_in_memory: number;
  /** Maximum of runs in memory of one tenant. */
  readonly residents: (tenant: TenantId) => number;
  /** All configured tenants. */
  readonly tenants: () => Iterable<TenantId>;
  /** Whether as much is in memory for runs of a tenant as may be. */
  readonly isFull?: (tenant: TenantId) => boolean;
}

export class Places {
  readonly #options: PlacesOptions;
  /** Runs that are being brought in. */
  readonly #coming = new Map<TenantId, number>();
  #comingAll = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** Number of runs that a tenant may still bring in now. */
  free(tenant: TenantId): number {
    const { runs, runs_in_memory, residents } = this.#options;
    const mine = runs.of(tenant) + (this.#coming.get(tenant) ?? 0);
    const left = runs_in_memory - runs.size - this.#comingAll;
    if (mine > 0 && this.#isFull(tenant)) return 0;
    return Math.max(0, Math.min(residents(tenant) - mine, Math.max(left, this.#share(tenant) - mine)));
  }

  /** Number of runs that may be brought in at once, in all and by tenant. @param most maximum in all */
  room(most: number): RunRoom {
    const { runs, runs_in_memory, tenants } = this.#options;
    const left = Math.max(0, runs_in_memory - runs.size - this.#comingAll);
    const of = Object.fromEntries([...new Set([...tenants(), ...runs.tenants])].map((tenant) => [tenant, this.free(tenant)]));
    // A tenant that has less than its even share comes in even if all places are taken.
    const poor = Object.values(of).filter((free) => free > 0).length;
    return { runs: Math.min(most, Math.max(left, poor, 1)), of };
  }

  /** Tenants that may not bring in a run now. */
  full(): TenantId[] {
    return [...this.#options.runs.tenants].filter((tenant) => this.free(tenant) === 0);
  }

  /** Whether a tenant has reached its own maximum. */
  hasItsOwn(tenant: TenantId): boolean {
    return this.#isFull(tenant) || this.#options.runs.of(tenant) >= this.#options.residents(tenant);
  }

  /** Whether a tenant has reached its own maximum or its share of a full host, so that some of its runs should leave. */
  isOver(tenant: TenantId): boolean {
    const { runs, runs_in_memory, residents } = this.#options;
    const mine = runs.of(tenant);
    return this.#isFull(tenant) || mine >= residents(tenant) || (runs.size >= runs_in_memory && mine >= this.#share(tenant));
  }

  /** Number of runs in memory beyond the maximum, of the host or of one tenant. */
  get surplus(): number {
    const { runs, runs_in_memory, residents } = this.#options;
    let surplus = runs.size - runs_in_memory;
    for (const tenant of runs.tenants) surplus = Math.max(surplus, runs.of(tenant) - residents(tenant), this.#isFull(tenant) ? 1 : 0);
    return surplus;
  }

  /** Reserves a place for a run that is being brought in, until the returned function is called. */
  come(tenant: TenantId): () => void {
    this.#comingAll += 1;
    this.#coming.set(tenant, (this.#coming.get(tenant) ?? 0) + 1);
    return () => {
      this.#comingAll -= 1;
      const left = (this.#coming.get(tenant) ?? 1) - 1;
      if (left > 0) this.#coming.set(tenant, left);
      else this.#coming.delete(tenant);
    };
  }

  #isFull(tenant: TenantId): boolean {
    return this.#options.isFull?.(tenant) === true;
  }

  #share(tenant: TenantId): number {
    const { runs, runs_in_memory } = this.#options;
    const tenants = runs.tenantCount + (runs.of(tenant) === 0 ? 1 : 0);
    return Math.max(1, Math.floor(runs_in_memory / tenants));
  }
}
