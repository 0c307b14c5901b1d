/**
 * Who is written down next. Jobs that come in by the thousand are let in a few at a time, and tenants take turns: so neither the host's
 * own work on them nor the store's stands before the one job of another tenant.
 */
import type { TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { Line } from './cells/turns.ts';

const LIMITS = { admissions: MACHINE.admissions.default, admissions_per_tenant: MACHINE.admissions_per_tenant.default };

export class Entrance {
  readonly #limits: typeof LIMITS;
  #inside = 0;
  readonly #of = new Map<TenantId, number>();
  /** Tenants of which jobs wait; the first one's turn is next. */
  readonly #waiting = new Map<TenantId, Line<() => void>>();

  constructor(limits = LIMITS) {
    this.#limits = limits;
  }

  /** Does some work for a tenant once it is its turn. */
  async pass<T>(tenant: TenantId, work: () => Promise<T>): Promise<T> {
    if (this.#isFree(tenant) && !this.#waiting.has(tenant)) this.#take(tenant);
    else await this.#turn(tenant);
    try {
      return await work();
    } finally {
      this.#leave(tenant);
    }
  }

  #turn(tenant: TenantId): Promise<void> {
    const line = this.#waiting.get(tenant) ?? new Line<() => void>();
    this.#waiting.set(tenant, line);
    return new Promise((resolve) => line.push(resolve));
  }

  #isFree(tenant: TenantId): boolean {
    return this.#inside < this.#limits.admissions && (this.#of.get(tenant) ?? 0) < this.#limits.admissions_per_tenant;
  }

  #take(tenant: TenantId): void {
    this.#inside += 1;
    this.#of.set(tenant, (this.#of.get(tenant) ?? 0) + 1);
  }

  #leave(tenant: TenantId): void {
    this.#inside -= 1;
    const left = (this.#of.get(tenant) ?? 1) - 1;
    if (left > 0) this.#of.set(tenant, left);
    else this.#of.delete(tenant);
    for (const [next, line] of this.#waiting) {
      if (!this.#isFree(next)) continue;
      const come = line.shift();
      // Whoever else of it waits has its turn after the other tenants.
      this.#waiting.delete(next);
      if (line.length > 0) this.#waiting.set(next, line);
      this.#take(next);
      come?.();
      return;
    }
  }
}
