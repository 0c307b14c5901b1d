/**
 * Limits how many jobs are written to the store at once, and gives tenants turns, so that thousands of jobs of one tenant do not
 * delay the single job of another: neither in the supervisor nor in the store, which writes in order of arrival. A tenant that has
 * the host to itself may have many under way, which is faster; one that shares it may have few.
 */
import type { TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Clock } from '@corral/protocol/ports/machine';
import { Rota } from '@corral/protocol/rota';

/** Number of jobs that may be written to the store at once. */
interface Limits {
  readonly admissions: number;
  /** Bound for one tenant that has the host to itself. */
  readonly alone: number;
  /** Bound for one tenant while others use the host too. */
  readonly shared: number;
  /** How long after its last admission a tenant counts as using the host. Milliseconds. */
  readonly present_ms: number;
}
const LIMITS: Limits = {
  admissions: MACHINE.admissions.default,
  alone: MACHINE.admissions_per_tenant.default,
  shared: MACHINE.admissions_per_tenant_shared.default,
  present_ms: MACHINE.tenant_present_ms.default,
};

export class Entrance {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #limits: Limits;
  #inside = 0;
  readonly #of = new Map<TenantId, number>();
  readonly #waiting = new Rota<() => void>();
  /** The tenant of the last job, and when the tenant last changed, on the monotonic clock. */
  #last: TenantId | undefined;
  #otherAt = -Infinity;

  constructor(clock: Pick<Clock, 'monotonic'>, limits = LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Runs `work` once its tenant has a place, and gives the place back when the work has settled. */
  async pass<T>(tenant: TenantId, work: () => Promise<T>): Promise<T> {
    this.#seen(tenant);
    if (this.#isFree(tenant) && this.#waiting.waiting(tenant) === 0) this.#take(tenant);
    else await this.#turn(tenant);
    try {
      return await work();
    } finally {
      this.#leave(tenant);
    }
  }

  /** Called when a job arrives and again when it gets a place, because a tenant whose jobs wait still uses the host. */
  #seen(tenant: TenantId): void {
    if (this.#last !== undefined && tenant !== this.#last) this.#otherAt = this.#clock.monotonic();
    this.#last = tenant;
  }

  #turn(tenant: TenantId): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(tenant, resolve));
  }

  #isFree(tenant: TenantId): boolean {
    const { admissions, alone, shared, present_ms } = this.#limits;
    const isShared = this.#clock.monotonic() - this.#otherAt < present_ms;
    return this.#inside < admissions && (this.#of.get(tenant) ?? 0) < (isShared ? shared : alone);
  }

  #take(tenant: TenantId): void {
    this.#seen(tenant);
    this.#inside += 1;
    this.#of.set(tenant, (this.#of.get(tenant) ?? 0) + 1);
  }

  #leave(tenant: TenantId): void {
    this.#inside -= 1;
    const left = (this.#of.get(tenant) ?? 1) - 1;
    if (left > 0) this.#of.set(tenant, left);
    else this.#of.delete(tenant);
    while (this.#next());
  }

  /** Gives a place to the next job that may have one. One free place can admit several jobs, if tenants no longer share the host. */
  #next(): boolean {
    const next = this.#waiting.next((tenant) => this.#isFree(tenant as TenantId));
    if (next === undefined) return false;
    this.#take(next.who as TenantId);
    next.item();
    return true;
  }
}
