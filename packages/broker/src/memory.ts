/**
 * The memory that the host's heap has for runs, by tenant, and the bound on it: handles, arguments of calls under way, deliveries that wait,
 * inputs, provenance, and commits that wait for the store's writer. The sums are taken when they are asked for, and at most every few
 * milliseconds, so that a change costs nothing and they cannot drift. A refusal is recorded with the decision, so a replay does not depend
 * on them.
 */
import { MACHINE } from '@corral/protocol/limits';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';

/** Sums are made again after this time; after more, if they take long to make. */
const FRESH_MS = 20;
const SHARE_OF_TIME = 20;
/** A sum is never older; it lacks what has arrived since. */
export const STALE_MS = 100;
const MIB = 1024 * 1024;

/** A run in memory. */
export interface KeptRun {
  readonly tenant: TenantId;
  /** Approximate bytes that are in memory for it. */
  readonly memory: number;
}

export interface MemoryOptions {
  readonly clock: Clock;
  /** Heap of this process that is free before there are runs. Bytes. */
  readonly heap_bytes: number;
  /** Shares of it for all that runs of one tenant, and of all, may come to. Percent. */
  readonly tenant_heap_percent?: number | undefined;
  readonly runs_heap_percent?: number | undefined;
  readonly runs: () => Iterable<KeptRun>;
  /** Bytes of tenants that belong to no run in memory. */
  readonly besides?: () => Iterable<KeptRun>;
}

/** Bytes of results on their way. */
export interface Coming {
  readonly run: number;
  readonly tenant: number;
}
const NOTHING: Coming = { run: 0, tenant: 0 };
/**
 * Parts of a share. Once the first is taken, the tenant (or all) is full: from then on only runs below an even part of it get more, whatever
 * the others have, until as much again is taken. The rest is room for results on their way.
 */
const FULL = 1 / 3;
const ALL_KEPT = 2 * FULL;
const RESULTS = 1 - ALL_KEPT;

export interface Sum {
  bytes: number;
  runs: number;
}

export class Memory {
  readonly #options: MemoryOptions;
  /** Bytes at which one tenant, and all together, are full. */
  readonly most: { readonly tenant: number; readonly all: number };
  /** The most that is kept for one tenant, and for all. Bytes. */
  readonly atEnd: { readonly tenant: number; readonly all: number };
  /** Room for results that are on their way, besides. Bytes. */
  readonly forResults: { readonly tenant: number; readonly all: number };
  #tenants = new Map<TenantId, Sum>();
  #all: Sum = { bytes: 0, runs: 0 };
  #staleAt = Number.NEGATIVE_INFINITY;

  constructor(options: MemoryOptions) {
    const {
      heap_bytes,
      tenant_heap_percent: one = MACHINE.tenant_heap_percent.default,
      runs_heap_percent: all = MACHINE.runs_heap_percent.default,
    } = options;
    this.#options = options;
    const parts = (part: number) => ({ tenant: (part * heap_bytes * Math.min(one, all)) / 100, all: (part * heap_bytes * all) / 100 });
    this.most = parts(FULL);
    this.atEnd = parts(ALL_KEPT);
    this.forResults = parts(RESULTS);
  }

  of(tenant: TenantId): Sum {
    this.#look();
    return this.#tenants.get(tenant) ?? { bytes: 0, runs: 0 };
  }

  get all(): Sum {
    this.#look();
    return this.#all;
  }

  /**
   * Whether a tenant is full, or has its part of what all have while all together are full.
   * @param coming bytes on their way to runs of the tenant
   */
  isFull(tenant: TenantId, coming = 0): boolean {
    return this.of(tenant).bytes + coming >= this.#full(coming) || this.#isAtEnd(tenant, coming);
  }

  /** Whether nobody of a tenant gets more: new runs, which make the even parts smaller, could pass the bound otherwise. */
  #isAtEnd(tenant: TenantId, coming: number): boolean {
    const { atEnd, all } = this;
    return all.bytes + coming >= atEnd.all || this.of(tenant).bytes + coming >= atEnd.tenant;
  }

  /** The bytes at which a tenant is full: fewer while all together are. */
  #full(coming: number): number {
    const { most, all } = this;
    return all.bytes + coming < most.all ? most.tenant : Math.min(most.tenant, most.all / Math.max(1, this.#tenants.size));
  }

  /**
   * The reason why nothing more is kept for a run; undefined if something may be. Runs that have less than an even part of what their
   * tenant has when it is full are not refused for what others of it have.
   * @param coming bytes on their way to it, and to all runs of its tenant
   */
  lacks(run: KeptRun, coming: Coming = NOTHING): string | undefined {
    const { tenant } = run;
    if (!this.isFull(tenant, coming.tenant)) return undefined;
    // Only now, because it is a sum over what the run has.
    const { memory } = run;
    const { bytes, runs } = this.of(tenant);
    const part = this.#full(coming.tenant) / Math.max(1, runs);
    if (memory + coming.run < part && !this.#isAtEnd(tenant, coming.tenant)) return undefined;
    const mib = (amount: number) => Math.round(amount / MIB);
    return `The host keeps ${mib(bytes)} MiB for ${runs} runs of ${tenant}, which is what it may, and ${mib(memory)} MiB of that for this run.`;
  }

  #look(): void {
    const { clock, runs, besides } = this.#options;
    const began = clock.monotonic();
    if (began < this.#staleAt) return;
    const tenants = new Map<TenantId, Sum>();
    const all = { bytes: 0, runs: 0 };
    const add = ({ tenant, memory }: KeptRun, count: number) => {
      let sum = tenants.get(tenant);
      if (sum === undefined) tenants.set(tenant, (sum = { bytes: 0, runs: 0 }));
      for (const one of [sum, all]) {
        one.bytes += memory;
        one.runs += count;
      }
    };
    for (const run of runs()) add(run, 1);
    for (const one of besides?.() ?? []) add(one, 0);
    [this.#tenants, this.#all] = [tenants, all];
    const now = clock.monotonic();
    this.#staleAt = now + Math.min(STALE_MS, Math.max(FRESH_MS, (now - began) * SHARE_OF_TIME));
  }
}
