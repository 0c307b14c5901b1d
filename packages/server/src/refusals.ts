/**
 * Requests that were refused and log-ins that failed, in the record of acts. Whoever is refused decides how often, so rows are
 * bounded: the first few of a minute have a row each, and the rest are counted and kept when the minute is over.
 */
import type { Role } from '@corral/protocol/api/roles';
import { MACHINE } from '@corral/protocol/limits';
import type { Acts } from './kept.ts';

export interface Refusal {
  /** `refuse-request`: it is known who asked. `fail-login`: it is known only from where. */
  readonly operation: 'refuse-request' | 'fail-login';
  readonly by: string;
  readonly roles: readonly Role[];
  readonly tenant: string | undefined;
  readonly route: string;
  readonly code: string;
}

interface Counted {
  readonly first: Refusal;
  count: number;
}

const MINUTE_MS = 60_000;

export class Refusals {
  readonly #acts: Acts;
  readonly #now: () => number;
  #minute = 0;
  #rows = 0;
  /** By who and what; the principals and addresses beyond the bound share one. */
  #seen = new Map<string, Counted>();
  #others = 0;

  constructor(acts: Acts, now: () => number) {
    this.#acts = acts;
    this.#now = now;
  }

  count(refusal: Refusal): void {
    this.settle();
    const key = `${refusal.operation} ${refusal.by} ${refusal.code}`;
    const known = this.#seen.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#seen.size >= MACHINE.refusals_counted_per_minute.default) this.#others += 1;
    else if (this.#rows < MACHINE.refusal_rows_per_minute.default) {
      this.#rows += 1;
      this.#seen.set(key, { first: refusal, count: 0 });
      this.#keep(refusal, 1);
    } else this.#seen.set(key, { first: refusal, count: 1 });
  }

  /** Keeps what was counted in a minute that is over. @param now_over the host stops: the minute counts as over */
  settle(now_over = false): void {
    const minute = Math.floor(this.#now() / MINUTE_MS);
    if (minute === this.#minute && !now_over) return;
    const [seen, others] = [this.#seen, this.#others];
    this.#minute = minute;
    this.#rows = 0;
    this.#seen = new Map();
    this.#others = 0;
    for (const { first, count } of seen.values()) if (count > 0) this.#keep(first, count);
    if (others > 0) this.#acts.keep({ id: 'host', roles: [] }, { operation: 'refuse-request', target: { by: 'others', count: others } });
  }

  #keep({ operation, by, roles, tenant, route, code }: Refusal, count: number): void {
    this.#acts.keep({ id: by, roles }, { operation, target: { route, code, count }, tenant });
  }
}
