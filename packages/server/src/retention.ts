/** How long what is stored is kept, by configuration; and what takes the rest away while the host is up. */
import { durationMs, type Config } from './config/schema.ts';
import { dayOf, monthsBefore } from '@corral/protocol/spend';
import type { Freed } from '@corral/protocol/store';
import type { InForce } from './door.ts';
import type { Acts } from './kept.ts';
import type { FrontStore } from './store/front.ts';
import type { Upkeep } from './upkeep.ts';

const DAY_MS = 86_400_000;
/** How often a host looks for what has passed. */
const LOOK_MS = 600_000;

/** How long the journals of ended runs are kept, by tenant, in milliseconds. A tenant that is not in it keeps them. */
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
  /** Something was taken away. */
  readonly collected: (freed: Freed, retention_ms: Readonly<Record<string, number>>) => void;
  readonly failed: (error: unknown) => void;
}

/** Takes away what has passed, once at the start and then every ten minutes; the store does it in slices between other writes. */
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

  /** What is under way goes on until the store is closed; what it left is found after the next start. */
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

  /** Once a day at most, since forgetting is an act itself. The log keeps the digest of each row, and says when it was forgotten. */
  #forget(before: number): void {
    const { db, acts } = this.#options;
    if (db.get('SELECT 1 FROM operations WHERE at < ? LIMIT 1', before - DAY_MS) === undefined) return;
    db.durably(() => {
      const { changes: rows } = db.run('DELETE FROM operations WHERE at < ?', before);
      acts.keep({ id: 'host', roles: [] }, { operation: 'forget-operations', target: { before, rows }, reason: 'retention' });
    });
  }

  async #sweep(): Promise<void> {
    const { upkeep, config, now, collected } = this.#options;
    const { config: inForce } = config();
    this.#forget(now() - inForce.retention.operations_days * DAY_MS);
    await upkeep.forgetSpend(monthsBefore(dayOf(now()), inForce.retention.spend_months));
    const retention_ms = retentionOf(inForce);
    const freed = await upkeep.collect({ retention_ms }, false);
    if (this.#closed) return;
    if (freed.entries > 0 || freed.runs > 0) collected(freed, retention_ms);
  }
}
