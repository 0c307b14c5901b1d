/** When hosts were at work on this store: an era for each opening for writing, with the last sign of life in it. */
import type { Era } from '@corral/protocol/ports/store';
import type { Sql } from './sql.ts';

export class Eras {
  readonly #sql: Sql;
  /** Time of the last entry that moved the end of the current era; 0: unknown. Milliseconds since 1970. */
  #moved = 0;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Counts an opening for writing. */
  next(): number {
    this.#moved = 0;
    const era = Number(this.#sql.get<{ value: string }>("SELECT value FROM meta WHERE name = 'era'")?.value ?? '0') + 1;
    this.#sql.run("INSERT INTO meta (name, value) VALUES ('era', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", String(era));
    return era;
  }

  /** The host says that it is alive. */
  alive(now: number): void {
    this.#sql.run(
      `INSERT INTO eras (era, since, until) VALUES ((SELECT value FROM meta WHERE name = 'era'), ?1, ?1)
       ON CONFLICT (era) DO UPDATE SET until = max(until, excluded.until)`,
      now,
    );
  }

  /**
   * An entry is a sign of life too, so that no time without a host reaches back before an entry: what a run's wall clock made of one as
   * it was written stays true once a later host reads it back. Entries of the same millisecond cost one statement.
   */
  entry(at: number): void {
    if (at <= this.#moved) return;
    const sql = "UPDATE eras SET until = ?1 WHERE era = (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'era') AND until < ?1";
    if (this.#sql.run(sql, at) > 0) this.#moved = at;
  }

  all(): Era[] {
    return this.#sql.all<Era>('SELECT era, since AS "from", until FROM eras ORDER BY era');
  }

  /** A transaction was rolled back: what was moved may not have been. */
  doubt(): void {
    this.#moved = 0;
  }
}
