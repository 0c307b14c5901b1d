/**
 * An index of all runs. `search.ts` has the searches in it, which another thread makes. The store is authoritative; this index is brought up to date from it after a stop
 * that was not in order.
 */
import type { Outcome } from '@corral/protocol/model/outcome';
import { outcomeText } from '@corral/protocol/model/outcome-text';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Parked, RunIndex, RunRow, Spent } from '@corral/protocol/ports/front';
import { LIVE_STATES } from '@corral/protocol/model/run-lists';
import type { FrontDatabase } from './database.ts';

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

  control(id: string, control: string, by: string | null): void {
    this.#db.run('UPDATE runs SET control = ?, stopped_by = ? WHERE id = ?', control, control === 'none' ? null : by, id);
  }

  get(id: string): RunRow | undefined {
    return this.#db.get<RunRow>('SELECT * FROM runs WHERE id = ?', id);
  }

  used(runs: readonly (Spent & { readonly id: string })[]): ReadonlySet<string> {
    const found = new Set<string>();
    const write = ({ id, cpu_ms, calls, tokens, money_micros }: (typeof runs)[number]) => {
      const { changes } = this.#db.run(
        'UPDATE runs SET cpu_ms = ?, calls = ?, tokens = ?, money_micros = ? WHERE id = ? AND ended_as IS NULL',
        cpu_ms,
        calls,
        tokens,
        money_micros,
        id,
      );
      if (changes > 0) found.add(id);
    };
    if (runs.length > 0) this.#db.together(() => runs.forEach(write), false);
    return found;
  }

  noted(id: string, what: 'refused' | 'withheld', count: number, at: number): boolean {
    return this.#db.run(`UPDATE runs SET ${what} = ${what} + ?, ${what}_at = ? WHERE id = ?`, count, at, id).changes > 0;
  }

  /** Runs that had not ended when the index was last written, in the order of admission. */
  live(after: number, limit: number): RunRow[] {
    return this.#db.all<RunRow>('SELECT * FROM runs WHERE ended_as IS NULL AND n > ? ORDER BY n LIMIT ?', after, limit);
  }

  /** Number of runs that have not ended, by tenant and state. */
  counts(tenant: string | undefined): ReturnType<RunIndex['counts']> {
    return this.#db.all(
      `SELECT tenant, state, sum(runs) AS runs FROM run_states
       WHERE state IN (SELECT value FROM json_each(?)) AND coalesce(tenant = ?, 1) AND runs > 0 GROUP BY tenant, state`,
      JSON.stringify(LIVE_STATES),
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
}
