/**
 * An index of all runs, for lists and searches. The store is authoritative; this index is brought up to date from it after a stop
 * that was not in order.
 */
import type { Outcome } from '@corral/protocol/model/outcome';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Parked, RunIndex, RunRow, RunSearch, Spent } from '@corral/protocol/ports/front';
import { cursorOf, rowOf } from '@corral/protocol/api/cursor';
import { literal, type FrontDatabase, type Value } from './database.ts';

export class Runs implements RunIndex {
  readonly #db: FrontDatabase;

  constructor(db: FrontDatabase) {
    this.#db = db;
  }

  add(record: Pick<RunRecord, 'id' | 'tenant' | 'agent' | 'version' | 'parent' | 'principal' | 'created_at'>, config: string): void {
    const { id, tenant, agent, version, parent, principal, created_at } = record;
    this.#db.run(
      `INSERT OR IGNORE INTO runs (id, tenant, agent, version, parent, principal, config, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      tenant,
      agent,
      version,
      parent?.run ?? null,
      principal,
      config,
      created_at,
    );
  }

  /** @param spent left out: unchanged since it was last parked. @returns whether the run had not been listed as ended */
  end(id: string, outcome: Outcome, ended_at: number, spent?: Spent): boolean {
    const { changes } = this.#db.run(
      `UPDATE runs SET ended_as = ?, ended_at = ?, cpu_ms = coalesce(?, cpu_ms), calls = coalesce(?, calls), tokens = coalesce(?, tokens),
      money_micros = coalesce(?, money_micros) WHERE id = ? AND ended_as IS NULL`,
      outcomeText(outcome),
      ended_at,
      spent?.cpu_ms ?? null,
      spent?.calls ?? null,
      spent?.tokens ?? null,
      spent?.money_micros ?? null,
      id,
    );
    return changes > 0;
  }

  /** Records what a run had used and waited for when it left memory; lists show this until it comes back. */
  parked(id: string, { cpu_ms, calls, tokens, money_micros, waiting, waitingFor, left }: Spent & Parked): void {
    const parked: Parked = { waiting, waitingFor, left };
    this.#db.run(
      'UPDATE runs SET cpu_ms = ?, calls = ?, tokens = ?, money_micros = ?, parked = ? WHERE id = ? AND ended_as IS NULL',
      cpu_ms,
      calls,
      tokens,
      money_micros,
      JSON.stringify(parked),
      id,
    );
  }

  began(id: string): void {
    this.#db.run('UPDATE runs SET began = 1 WHERE id = ?', id);
  }

  moved(id: string, version: string): void {
    this.#db.run('UPDATE runs SET version = ? WHERE id = ?', version, id);
  }

  control(id: string, control: string): void {
    this.#db.run('UPDATE runs SET control = ? WHERE id = ?', control, id);
  }

  get(id: string): RunRow | undefined {
    return this.#db.get<RunRow>('SELECT * FROM runs WHERE id = ?', id);
  }

  /** Runs that had not ended when the index was last written. */
  live(): RunRow[] {
    return this.#db.all<RunRow>('SELECT * FROM runs WHERE ended_as IS NULL ORDER BY n');
  }

  /** Number of runs that have not ended, by tenant and state. */
  counts(
    tenant: string | undefined,
  ): { readonly tenant: string; readonly control: string; readonly began: number; readonly runs: number }[] {
    return this.#db.all(
      `SELECT tenant, control, began, count(*) AS runs FROM runs WHERE ended_as IS NULL AND coalesce(tenant = ?, 1) GROUP BY tenant, control, began`,
      tenant ?? null,
    );
  }

  /** Whether any run has this agent, tenant or version; within one tenant, or all. */
  has(column: 'agent' | 'tenant' | 'version', value: string, tenant: string | undefined): boolean {
    const where = tenant === undefined ? '' : ' AND tenant = ?';
    return (
      this.#db.get(`SELECT 1 FROM runs WHERE ${column} = ?${where} LIMIT 1`, value, ...(tenant === undefined ? [] : [tenant])) !== undefined
    );
  }

  children(id: string): RunRow[] {
    return this.#db.all<RunRow>('SELECT * FROM runs WHERE parent = ? ORDER BY n', id);
  }

  /** Newest first. */
  search(by: RunSearch): { readonly rows: RunRow[]; readonly next: string | null } {
    const where: string[] = [];
    const values: Value[] = [];
    const also = (sql: string, ...more: Value[]) => {
      where.push(sql);
      values.push(...more);
    };
    const before = rowOf(by.cursor);
    if (before !== undefined) also('n < ?', before);
    if (by.tenant !== undefined) also('tenant = ?', by.tenant);
    if (by.agent !== undefined) also('agent = ?', by.agent);
    if (by.version !== undefined) also('version = ?', by.version);
    if (by.parent !== undefined) also('parent = ?', by.parent);
    if (by.ended !== undefined) also(by.ended ? 'ended_as IS NOT NULL' : 'ended_as IS NULL');
    if (by.ended_as !== undefined) also(`ended_as LIKE ? ESCAPE '\\'`, `${literal(by.ended_as)}%`);
    if (by.began !== undefined) also('began = ?', Number(by.began));
    if (by.control !== undefined) also('control = ?', by.control);
    if (by.admitted_by !== undefined) also('created_at <= ?', by.admitted_by);
    if (by.until !== undefined) also('created_at < ?', by.until);
    if (by.since !== undefined) also('(ended_at IS NULL OR ended_at >= ?)', by.since);
    if (by.among !== undefined) also('id IN (SELECT value FROM json_each(?))', JSON.stringify(by.among));
    if (by.q !== undefined) {
      const like = `%${literal(by.q)}%`;
      also(
        `(id LIKE ? ESCAPE '\\' OR agent LIKE ? ESCAPE '\\' OR principal LIKE ? ESCAPE '\\' OR ended_as LIKE ? ESCAPE '\\')`,
        like,
        like,
        like,
        like,
      );
    }
    const rows = this.#db.all<RunRow>(
      `SELECT * FROM runs ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY n DESC LIMIT ?`,
      ...values,
      by.limit + 1,
    );
    const page = rows.slice(0, by.limit);
    return { rows: page, next: rows.length > by.limit ? cursorOf(page.at(-1)?.n ?? 0) : null };
  }
}
