/** The queues of notifications in `front.db`, one for each receiver, and the records of finished deliveries. */
import type { Event } from '@corral/protocol/api/schemas';
import type { Counted, DeliveryRow, DeliveryTable, Queue, Queued } from '@corral/protocol/ports/front';
import type { FrontDatabase } from './database.ts';

/** Notifications that wait and those that are over, with the columns of a `DeliveryRow`. */
export const ALL = `
SELECT n, id, hook, url, tenant, kind, at, attempts, 'pending' AS state, due, NULL AS ended_at, error FROM outbox WHERE hook IS NOT NULL
UNION ALL SELECT n, id, hook, url, tenant, kind, at, attempts, state, NULL, ended_at, error FROM deliveries`;
/**
 * Tenants that have notifications waiting for a receiver, with one index seek for each tenant, however many wait. Null stands for
 * the host and is always last.
 */
const TENANTS = `
WITH RECURSIVE waiting (tenant) AS (
  SELECT (SELECT min(tenant) FROM outbox WHERE hook = ?1)
  UNION ALL SELECT (SELECT min(tenant) FROM outbox WHERE hook = ?1 AND tenant > waiting.tenant) FROM waiting WHERE waiting.tenant IS NOT NULL)
SELECT tenant FROM waiting`;
export class Deliveries implements DeliveryTable {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  enqueue({ id, hook, url, tenant, kind, body, at }: Omit<Queued, 'n' | 'attempts'>): void {
    this.#db.run(
      'INSERT OR IGNORE INTO outbox (id, hook, url, tenant, kind, body, at, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      id,
      hook,
      url,
      tenant,
      kind,
      body,
      at,
      at,
    );
  }

  /** Assigns receivers to notifications that were queued before each receiver had its own queue. */
  address(receivers: (event: Event) => readonly { readonly hook: string; readonly url: string }[]): void {
    const rows = this.#db.all<Omit<Queued, 'hook'>>('SELECT * FROM outbox WHERE hook IS NULL');
    if (rows.length === 0) return;
    this.#db.together(() => {
      for (const { n, body, ...row } of rows) {
        const { data: event } = JSON.parse(body) as { readonly data: Event };
        const { tenant, kind } = event;
        for (const { hook, url } of receivers(event)) if (url === row.url) this.enqueue({ ...row, hook, tenant, kind, body });
        this.#db.run('DELETE FROM outbox WHERE n = ?', n);
      }
    });
  }

  /**
   * Moves what was queued and recorded under an id alone to the receiver of the same tenant: older hosts had one queue for all
   * tenants of an id.
   */
  adopt(id: string, tenant: string, key: string): void {
    this.#db.run('UPDATE OR REPLACE outbox SET hook = ? WHERE hook = ? AND tenant = ?', key, id, tenant);
    this.#db.run('UPDATE deliveries SET hook = ? WHERE hook = ? AND tenant = ?', key, id, tenant);
  }

  /**
   * The next notification of a receiver. Tenants take turns, so that a tenant with many notifications delays each other tenant by
   * at most one.
   * @param last tenant of the previous one; undefined: none yet
   */
  next(hook: string, now: number, underway: ReadonlySet<number>, last: string | null | undefined): Queued | undefined {
    const tenants = this.#db.all<{ tenant: string | null }>(TENANTS, hook).map(({ tenant }) => tenant);
    const after = typeof last === 'string' ? tenants.findIndex((tenant) => tenant === null || tenant > last) : 0;
    for (const tenant of [...tenants.slice(after), ...tenants.slice(0, after)]) {
      const rows = this.#db.all<Queued>(
        'SELECT * FROM outbox WHERE hook = ? AND tenant IS ? AND due <= ? ORDER BY due, n LIMIT ?',
        hook,
        tenant,
        now,
        underway.size + 1,
      );
      const row = rows.find(({ n }) => !underway.has(n));
      if (row !== undefined) return row;
    }
    return undefined;
  }

  nextDue(hook: string): number | undefined {
    return this.#db.get<{ due: number }>('SELECT due FROM outbox WHERE hook = ? ORDER BY due LIMIT 1', hook)?.due;
  }

  delivered(row: Queued, at: number): void {
    this.#db.together(() => this.#done([{ ...row, attempts: row.attempts + 1 }], 'delivered', at, null));
  }

  failed({ n }: Queued, at: number, due: number, error: string): void {
    this.#db.run('UPDATE outbox SET attempts = attempts + 1, due = ?, tried_at = ?, error = ? WHERE n = ?', due, at, error, n);
  }

  /** Waiting notifications, by receiver and by the fields that decide about the receiver. */
  queues(): Queue[] {
    return this.#db.all<Queue>('SELECT DISTINCT hook, url, kind, tenant FROM outbox WHERE hook IS NOT NULL');
  }

  /** Moves what waits to the receiver that replaced another. */
  hand({ hook, kind, tenant }: Queue, to: string): void {
    this.#db.run('UPDATE OR REPLACE outbox SET hook = ? WHERE hook = ? AND kind = ? AND tenant IS ?', to, hook, kind, tenant);
  }

  /** Gives up what was queued before a time. */
  expire(before: number, at: number): Counted[] {
    return this.#giveUp('at < ?', [before], at);
  }

  abandon({ hook, kind, tenant }: Queue, at: number): Counted[] {
    return this.#giveUp('hook = ? AND kind = ? AND tenant IS ?', [hook, kind, tenant], at);
  }

  /** Deletes older records, and of the delivered ones all but the latest of each receiver. */
  forget(before: number, kept: number): void {
    this.#db.run('DELETE FROM deliveries WHERE ended_at < ?', before);
    for (const { hook } of this.#db.all<{ hook: string }>(
      "SELECT hook FROM deliveries WHERE state = 'delivered' GROUP BY hook HAVING count(*) > ?",
      kept,
    ))
      this.#db.run(
        `DELETE FROM deliveries WHERE hook = ?1 AND state = 'delivered' AND n <=
         (SELECT n FROM deliveries WHERE hook = ?1 AND state = 'delivered' ORDER BY n DESC LIMIT 1 OFFSET ?2)`,
        hook,
        kept,
      );
  }

  get(n: number): DeliveryRow | undefined {
    return this.#db.get<DeliveryRow>(`SELECT * FROM (${ALL}) WHERE n = ?`, n);
  }

  /** Makes a receiver's notifications due now: those that wait, and those that were given up. @returns how many */
  retry(where: { readonly hook: string } | { readonly n: number }, at: number): number {
    const [column, value] = 'hook' in where ? (['hook', where.hook] as const) : (['n', where.n] as const);
    return this.#db.together(() => {
      const waiting = this.#db.run(`UPDATE outbox SET due = ? WHERE ${column} = ?`, at, value).changes;
      const rows = this.#db.run(
        `INSERT OR IGNORE INTO outbox (n, id, hook, url, tenant, kind, body, at, due)
         SELECT n, id, hook, url, tenant, kind, body, ?1, ?1 FROM deliveries WHERE ${column} = ?2 AND state = 'given_up'`,
        at,
        value,
      ).changes;
      this.#db.run(`DELETE FROM deliveries WHERE ${column} = ? AND state = 'given_up'`, value);
      return waiting + rows;
    });
  }

  #giveUp(where: string, values: (string | number | null)[], at: number): Counted[] {
    return this.#db.together(() => {
      const rows = this.#db.all<Queued & { readonly error: string | null }>(
        `SELECT * FROM outbox WHERE hook IS NOT NULL AND ${where}`,
        ...values,
      );
      this.#done(rows, 'given_up', at);
      const counted = new Map<string, Counted>();
      for (const { hook, url, tenant } of rows) {
        const key = JSON.stringify([hook, tenant]);
        counted.set(key, { hook, url, tenant, count: (counted.get(key)?.count ?? 0) + 1 });
      }
      return [...counted.values()];
    });
  }

  /** A notification that was given up keeps its text, so that it can be tried again. */
  #done(rows: readonly (Queued & { readonly error?: string | null })[], state: 'delivered' | 'given_up', at: number, error?: null): void {
    for (const { n, id, hook, url, tenant, kind, body, at: queued_at, attempts, error: last = null } of rows) {
      this.#db.run('DELETE FROM outbox WHERE n = ?', n);
      this.#db.run(
        `INSERT OR REPLACE INTO deliveries (n, id, hook, url, tenant, kind, body, at, attempts, state, ended_at, error)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        n,
        id,
        hook,
        url,
        tenant,
        kind,
        state === 'delivered' ? null : body,
        queued_at,
        attempts,
        state,
        at,
        error === null ? null : last,
      );
    }
  }
}
