/**
 * Who may come into memory. Each tenant has places of its own, and together they have as many as the host has; where those are taken,
 * a tenant that has less than its even share comes in all the same, and whoever has more makes room. So no tenant fills another's.
 */
import type { RunId, TenantId } from '@corral/protocol/ids';
import { Signal } from '../events/signal.ts';
import type { Run } from './run.ts';

/** The runs in memory, counted by tenant. */
export class RunTable extends Map<RunId, Run> {
  readonly #of = new Map<TenantId, number>();
  /** Somebody has left. */
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
  /** Runs of all tenants together. */
  readonly runs_in_memory: number;
  /** Runs that a tenant may have in memory. */
  readonly residents: (tenant: TenantId) => number;
}

export class Places {
  readonly #options: PlacesOptions;
  /** Runs that are being brought in. */
  readonly #coming = new Map<TenantId, number>();
  #comingAll = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** How many more of a tenant may come in now. */
  free(tenant: TenantId): number {
    const { runs, runs_in_memory, residents } = this.#options;
    const mine = runs.of(tenant) + (this.#coming.get(tenant) ?? 0);
    const left = runs_in_memory - runs.size - this.#comingAll;
    return Math.max(0, Math.min(residents(tenant) - mine, Math.max(left, this.#share(tenant) - mine)));
  }

  /** Tenants of which nobody may come in now. */
  full(): TenantId[] {
    return [...this.#options.runs.tenants].filter((tenant) => this.free(tenant) === 0);
  }

  /** Whether a tenant has as many as it may have itself, however much room there is. */
  hasItsOwn(tenant: TenantId): boolean {
    return this.#options.runs.of(tenant) >= this.#options.residents(tenant);
  }

  /** Whether this tenant has more than its part, so that some of its runs should leave. */
  isOver(tenant: TenantId): boolean {
    const { runs, runs_in_memory, residents } = this.#options;
    const mine = runs.of(tenant);
    return mine >= residents(tenant) || (runs.size >= runs_in_memory && mine >= this.#share(tenant));
  }

  /** How many are in memory beyond what it has places for. */
  get surplus(): number {
    const { runs, runs_in_memory, residents } = this.#options;
    let surplus = runs.size - runs_in_memory;
    for (const tenant of runs.tenants) surplus = Math.max(surplus, runs.of(tenant) - residents(tenant));
    return surplus;
  }

  /** Somebody is on the way in, until what is returned is called. */
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

  #share(tenant: TenantId): number {
    const { runs, runs_in_memory } = this.#options;
    const tenants = runs.tenantCount + (runs.of(tenant) === 0 ? 1 : 0);
    return Math.max(1, Math.floor(runs_in_memory / tenants));
  }
}
