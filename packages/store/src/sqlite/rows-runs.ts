/** Runs and their journals, as rows. */
import type { Digest, RunId } from '@corral/protocol/ids';
import type { WaitingOn, RunRecord } from '@corral/protocol/model/run';
import type { DecidedEntry } from '@corral/protocol/ports/approvals';
import type { Downtime, RunFilter, RunRoom, Seen } from '@corral/protocol/ports/store';
import type { Custodian, Custody, EntryRow, JournalRows, NewRun, RunRow, RunRows, RunState, Standing } from '../core/engine.ts';
import { CORRUPT } from './codes.ts';
import { letGo } from './holdings.ts';
import * as queries from './queries.ts';
import type { Sql } from './sql.ts';

/** Owner of a run that no node has held yet. */
const NOBODY = 0;

/** The columns of a `Custody`. */
export const CUSTODY = 'SELECT n, id, tenant, version, key, erased_at, end_hash FROM runs LEFT JOIN records USING (n)';
const LAST = 'LEFT JOIN journal AS last ON last.run = n AND last.seq = (SELECT max(seq) FROM journal WHERE run = n)';

const ROW = `SELECT n, id, tenant, version, key, record, restored, erased_at, lifecycle, control, outcome, ended_at, epoch, inbox_seq, checkpoint,
  pruned_at, pruned_seq, moved_to, parked, still, ledger, last.seq, last.waiting FROM runs LEFT JOIN records USING (n) ${LAST}`;
const STANDING = `SELECT n, epoch, (SELECT max(seq) FROM journal WHERE run = n) AS seq, parked, lifecycle, control, attempts, asking,
  claimed_era AS owner, lease FROM runs LEFT JOIN eras ON era = claimed_era`;
const STANDING_OF_ID = `${STANDING} WHERE id = ?`;
const STANDING_OF_NUMBER = `${STANDING} WHERE n = ?`;

/** A row as SQLite gives it, which has numbers for flags. */
type Stored<Row> = { readonly [Column in keyof Row]: Row[Column] extends boolean ? number : Row[Column] };

const rowOf = (row: Stored<RunRow>): RunRow => ({
  ...row,
  restored: row.restored !== 0,
  parked: row.parked !== 0,
  still: row.still !== 0,
});

export class Runs implements RunRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  row(run: RunId): RunRow | undefined {
    const row = this.#sql.get<Stored<RunRow>>(`${ROW} WHERE id = ?`, run);
    return row && rowOf(row);
  }

  rows(filter: RunFilter, after: number, limit: number): RunRow[] {
    const { where, values } = queries.matching(filter);
    const sql = `${ROW} WHERE runs.n > ? AND ${where} ORDER BY runs.n LIMIT ?`;
    return this.#sql.all<Stored<RunRow>>(sql, after, ...values, limit).map((row) => rowOf(row));
  }

  ids(filter: RunFilter): RunId[] {
    return queries.ids(this.#sql, filter);
  }

  claim(run: RunId, node: number, died: boolean): ReturnType<RunRows['claim']> {
    return this.#sql.get(
      `UPDATE runs SET epoch = epoch + 1, lifecycle = 'active', parked = 0, still = 0, claimed_era = ?, ledger = NULL,
         attempts = CASE WHEN parked = 1 THEN 0 ELSE attempts + ? END
       WHERE id = ? AND lifecycle <> 'ended' RETURNING n, epoch, attempts`,
      node,
      Number(died),
      run,
    );
  }

  park(run: RunId, { epoch, seq, inbox }: Seen, ledger: Uint8Array | null, still: boolean): number | undefined {
    const row = this.#sql.get<{ n: number }>(
      `UPDATE runs SET parked = 1, ledger = ?, still = ? WHERE id = ? AND epoch = ? AND inbox_seq = ? AND parked = 0 AND lifecycle <> 'ended'
         AND coalesce((SELECT max(seq) FROM journal WHERE run = n), 0) = ? RETURNING n`,
      ledger,
      Number(still),
      run,
      epoch,
      inbox,
      seq,
    );
    return row?.n;
  }

  due(now: number, dead: readonly number[], room: RunRoom): RunId[] {
    return queries.due(this.#sql, now, dead, room);
  }

  held(nodes: readonly number[], after: RunId | undefined, limit: number | undefined): RunId[] {
    return queries.held(this.#sql, nodes, after, limit);
  }

  parkedOn(waiting: WaitingOn): RunId[] {
    return queries.parkedOn(this.#sql, waiting);
  }

  parkedForPeople(): ReturnType<typeof queries.parkedForPeople> {
    return queries.parkedForPeople(this.#sql);
  }

  orphans(): RunId[] {
    return queries.orphans(this.#sql);
  }

  quarantined(after: RunId | undefined, limit: number): readonly Pick<RunRecord, 'id' | 'tenant'>[] {
    return queries.quarantined(this.#sql, after, limit);
  }

  descendants(run: RunId): RunId[] {
    return queries.descendants(this.#sql, run);
  }

  release(run: RunId): void {
    this.#sql.run('UPDATE runs SET restored = 0 WHERE id = ?', run);
  }

  custody(run: RunId): Custody | undefined {
    return this.#sql.get(`${CUSTODY} WHERE id = ?`, run);
  }

  custodian(run: RunId): Custodian | undefined {
    return this.#sql.get(
      `SELECT n, id, tenant, version, key, epoch, last.seq, last.hash, erased_at FROM runs LEFT JOIN records USING (n) ${LAST} WHERE id = ?`,
      run,
    );
  }

  standing(run: RunId, n?: number): Standing | undefined {
    const row =
      n === undefined ? this.#sql.get<Stored<Standing>>(STANDING_OF_ID, run) : this.#sql.get<Stored<Standing>>(STANDING_OF_NUMBER, n);
    return row && { ...row, parked: row.parked !== 0, asking: row.asking !== 0 };
  }

  origin(run: RunId): ReturnType<RunRows['origin']> {
    return this.#sql.get(
      'SELECT n, id, tenant, version, key, erased_at, end_hash, record, checkpoint FROM runs LEFT JOIN records USING (n) WHERE id = ?',
      run,
    );
  }

  insert({ id, tenant, parent, created_at, version, key, record }: NewRun, owner: number | undefined): number {
    // A run without an owner waits in the store, as a parked one does.
    const parked = owner === undefined;
    const { lastInsertRowid } = this.#sql
      .prepared(
        `INSERT INTO runs (id, tenant, parent, lifecycle, control, epoch, inbox_seq, checkpoint, parked, claimed_era, created_at)
         VALUES (?, ?, ?, ?, 'none', ?, 0, 0, ?, ?, ?)`,
      )
      .run(id, tenant, parent ?? null, parked ? 'queued' : 'active', parked ? 0 : 1, Number(parked), owner ?? NOBODY, created_at);
    const n = Number(lastInsertRowid);
    this.#sql.run('INSERT INTO records (n, version, key, record) VALUES (?, ?, ?, ?)', n, version, key, record);
    return n;
  }

  state(n: number, { lifecycle, control, outcome_kind, outcome, ended_at, end_hash }: RunState): void {
    const sql = 'UPDATE runs SET lifecycle = ?, control = ?, outcome_kind = ?, outcome = ?, ended_at = ?, end_hash = ? WHERE n = ?';
    this.#sql.run(sql, lifecycle, control, outcome_kind, outcome, ended_at, end_hash, n);
    if (lifecycle === 'ended') letGo(this.#sql, n);
  }

  asking(n: number, asking: boolean): void {
    this.#sql.run('UPDATE runs SET asking = ? WHERE n = ?', Number(asking), n);
  }

  putAway(n: number, { from, until }: Downtime): void {
    this.#sql.run(
      `INSERT INTO absences (run, since, until)
       SELECT * FROM (SELECT ?1, max(?2, coalesce((SELECT max(until) FROM absences WHERE run = ?1), ?2)) AS since, ?3 AS until)
       WHERE since < until`,
      n,
      from,
      until,
    );
  }

  away(n: number): Downtime[] {
    return this.#sql.all('SELECT since AS "from", until FROM absences WHERE run = ? ORDER BY since', n);
  }

  progressed(n: number): void {
    this.#sql.run('UPDATE runs SET attempts = 0 WHERE n = ?', n);
  }

  checkpoint(n: number, seq: number): void {
    this.#sql.run('UPDATE runs SET checkpoint = ? WHERE n = ?', seq, n);
  }

  moved(n: number, version: Digest): void {
    this.#sql.run('UPDATE runs SET moved_to = ? WHERE n = ?', version, n);
  }

  bury(n: number, kind: string, outcome: Uint8Array | null, at: number): boolean {
    const sql = "UPDATE runs SET lifecycle = 'ended', outcome_kind = ?, outcome = ?, ended_at = ? WHERE n = ? AND lifecycle <> 'ended'";
    if (this.#sql.run(sql, kind, outcome, at, n) === 0) return false;
    letGo(this.#sql, n);
    return true;
  }

  quarantine(run: RunId, reason: string): void {
    this.#sql.run("UPDATE runs SET control = 'quarantined', damage = ?, parked = 1 WHERE id = ?", reason, run);
  }
}

export class Journal implements JournalRows {
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  append(n: number, { seq, at, cpu_us, waiting, hash, body }: EntryRow): void {
    const sql = 'INSERT INTO journal (run, seq, at, cpu_us, waiting, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?)';
    this.#sql.run(sql, n, seq, at, cpu_us, waiting, hash, body);
  }

  entries(n: number, after: number, limit: number): EntryRow[] {
    const sql = 'SELECT seq, at, cpu_us, waiting, hash, body FROM journal WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?';
    return this.#sql.all(sql, n, after, limit);
  }

  hash(n: number, seq: number): Uint8Array | undefined {
    return this.#sql.get<{ hash: Uint8Array }>('SELECT hash FROM journal WHERE run = ? AND seq = ?', n, seq)?.hash;
  }

  hashes(n: number, after: number, limit: number): { seq: number; hash: Uint8Array }[] {
    return this.#sql.all('SELECT seq, hash FROM journal WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?', n, after, limit);
  }

  decided(n: number, call: number): void {
    this.#sql.run('INSERT INTO decided (run, call) VALUES (?, ?)', n, call);
  }

  decisions(after: number, limit: number): DecidedEntry[] {
    return this.#sql.all(
      `SELECT decided.n, id AS run, call, (SELECT count(*) FROM decided AS earlier
         WHERE earlier.run = decided.run AND earlier.call = decided.call AND earlier.n <= decided.n) AS nth
       FROM decided JOIN runs ON runs.n = decided.run WHERE decided.n > ? ORDER BY decided.n LIMIT ?`,
      after,
      limit,
    );
  }

  isUnreadable(error: unknown): boolean {
    return ((error as { errcode?: number }).errcode ?? 0) % 256 === CORRUPT;
  }
}
