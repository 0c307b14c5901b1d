/** How long stored data is kept, by configuration, and the sweep that deletes older data while the host runs. */
import { durationMs, type Config } from '../config/schema.ts';
import { dayOf, monthsBefore } from '@corral/protocol/model/spend';
import type { Freed } from '@corral/protocol/ports/evidence';
import type { InForce } from '../config/in-force.ts';
import type { Acts } from '../operation-log.ts';
import type { FrontStore } from '@corral/protocol/ports/front';
import type { Upkeep } from './upkeep.ts';

const DAY_MS = 86_400_000;
/** How often the sweep runs. */
const LOOK_MS = 600_000;

/** How long the journals of ended runs are kept, by tenant. Milliseconds. A tenant without an entry keeps them for ever. */
export function retentionOf({ tenants, retention }: Config): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(tenants).flatMap(([tenant, own]) => {
      const kept = own.retention?.journals ?? retention.journals;
      return kept === undefined ? [] : [[tenant, durationMs(kept)]];
    }),
  );
}

export interface RetentionOptions {
  readonly upkeep: Upkeep;
  readonly db: FrontStore;
  readonly acts: Acts;
  readonly config: InForce;
  readonly now: () => number;
  /** Called after data was deleted. */
  readonly collected: (freed: Freed, retention_ms: Readonly<Record<string, number>>) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Deletes what has passed its retention, once at the start and then every ten minutes; the store does it in slices between other
 * writes.
 */
export class RetentionSweep {
  readonly #options: RetentionOptions;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  #closed = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** A sweep under way goes on until the store is closed; the next start does the rest. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#sweep()
      .catch((error: unknown) => {
        if (!this.#closed) this.#options.failed(error);
      })
      .finally(() => (this.#busy = false));
  }

  /**
   * Deletes old records of acts, at most once a day, because that is recorded as an act itself. The log keeps the digest of each
   * row, and says when the row was deleted.
   */
  #forget(before: number): void {
    const { db, acts } = this.#options;
    if (!db.operations.hasBefore(before - DAY_MS)) return;
    db.durably(() => {
      const rows = db.operations.forget(before);
      acts.keep({ id: 'host', roles: [] }, { operation: 'forget-operations', target: { before, rows }, reason: 'retention' });
    });
  }

  async #sweep(): Promise<void> {
    const { upkeep, config, now, collected } = this.#options;
    const { config: inForce } = config();
    this.#forget(now() - inForce.retention.operations_days * DAY_MS);
    this.#options.db.approvals.forget(now() - inForce.retention.operations_days * DAY_MS);
    await upkeep.forgetSpend(monthsBefore(dayOf(now()), inForce.retention.spend_months));
    const retention_ms = retentionOf(inForce);
    const freed = await upkeep.collect({ retention_ms }, false);
    if (this.#closed) return;
    if (freed.entries > 0 || freed.runs > 0) collected(freed, retention_ms);
  }
}
