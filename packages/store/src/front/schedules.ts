/** Schedules: when a job is submitted next, and what came of the last time. */
import type { Json } from '@corral/protocol/json';
import type { ScheduleRow, ScheduleTable } from '@corral/protocol/ports/front';
import type { FrontDatabase } from './database.ts';

type Row = Omit<ScheduleRow, 'input'> & { readonly input: string };

export class Schedules implements ScheduleTable {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  add({ id, tenant, agent, input, cron, created_by, next_at }: Parameters<ScheduleTable['add']>[0]): void {
    this.#db.run(
      'INSERT INTO schedules (id, tenant, agent, input, cron, created_by, next_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      id,
      tenant,
      agent,
      JSON.stringify(input),
      cron,
      created_by,
      next_at,
    );
  }

  get(id: string): ScheduleRow | undefined {
    const row = this.#db.get<Row>('SELECT * FROM schedules WHERE id = ?', id);
    return row && read(row);
  }

  list(tenant: string | undefined): ScheduleRow[] {
    return this.#db.all<Row>('SELECT * FROM schedules WHERE ?1 IS NULL OR tenant = ?1 ORDER BY id', tenant ?? null).map(read);
  }

  count(tenant: string): number {
    return this.#db.get<{ n: number }>('SELECT count(*) AS n FROM schedules WHERE tenant = ?', tenant)?.n ?? 0;
  }

  remove(id: string): void {
    this.#db.run('DELETE FROM schedules WHERE id = ?', id);
  }

  due(now: number): ScheduleRow[] {
    return this.#db.all<Row>('SELECT * FROM schedules WHERE next_at <= ?', now).map(read);
  }

  nextAt(except: readonly string[]): number | undefined {
    const next = this.#db.get<{ next_at: number | null }>(
      'SELECT min(next_at) AS next_at FROM schedules WHERE id NOT IN (SELECT value FROM json_each(?))',
      JSON.stringify(except),
    );
    return next?.next_at ?? undefined;
  }

  fired(id: string, { next_at, at, run, error }: Parameters<ScheduleTable['fired']>[1]): void {
    this.#db.run(
      'UPDATE schedules SET next_at = ?, last_at = ?, last_run = coalesce(?, last_run), last_error = ? WHERE id = ?',
      next_at,
      at,
      run,
      error,
      id,
    );
  }

  failed(id: string, error: string): void {
    this.#db.run('UPDATE schedules SET last_error = ? WHERE id = ?', error, id);
  }
}

const read = (row: Row): ScheduleRow => ({ ...row, input: JSON.parse(row.input) as Json });
