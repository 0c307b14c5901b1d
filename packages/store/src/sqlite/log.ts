/**
 * The record of the host as a Merkle log. Commits of runs do not write to it, because hashing would slow down each crank: a
 * sequencer on the writer's thread follows the tables by cursors and appends what was committed since, in transactions of its
 * own. The cursors move in the same transaction as the leaves, so after a crash the rest is appended later, and nothing twice.
 * Facts that are in no table which can be followed are put into `log_due` by the write they belong to.
 */
import type { GrantId, RunId } from '@corral/protocol/ids';
import { canonical } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import type { Leaf, LogHead } from '@corral/protocol/model/log';
import type { Quarantine } from '@corral/protocol/model/quarantine';
import { Frontier, leafHash } from '../log/merkle.ts';
import { digestOf, hex } from '../core/digests.ts';
import { FRONT_TABLES, FrontTables } from './log-front.ts';
import type { Sql } from './sql.ts';

/** Admissions, and entries of journals, that one step processes. */
const STEP = 500;
const ENTRIES = 4 * STEP;

interface Moved {
  /** First of its entries that no leaf covers. */
  readonly from: number;
  /** When that was noticed. */
  readonly since: number;
  seq: number;
  hash: Uint8Array;
  /** The sweep in which it last moved. */
  sweep: number;
}
interface RunState {
  readonly id: RunId;
  readonly lifecycle: string;
  readonly outcome_kind: string | null;
  readonly outcome: Uint8Array | null;
  readonly ended_at: number | null;
  readonly end_hash: Uint8Array | null;
}

export class Log {
  readonly #sql: Sql;
  readonly #front: FrontTables | undefined;
  #frontier: Frontier | undefined;
  /** Runs whose journals went on since their last leaf; undefined until it is read. */
  #moved: Map<number, Moved> | undefined;
  #sweep = 0;

  /** @param front the tables of a front door in the same folder */
  constructor(sql: Sql, front?: FrontTables) {
    this.#sql = sql;
    this.#front = front;
  }

  /** A transaction was rolled back, so cached state may be wrong: drops it. */
  doubt(): void {
    this.#frontier = undefined;
    this.#moved = undefined;
  }

  head(): LogHead {
    const frontier = Frontier.parse(this.#state('frontier') ?? '0:');
    return { size: frontier.size, hash: hex(frontier.root()) };
  }

  leaves(after: number, limit: number): { n: number; leaf: string }[] {
    return this.#sql.all<{ n: number; leaf: string }>('SELECT n, leaf FROM log WHERE n > ? ORDER BY n LIMIT ?', after, limit);
  }

  /** Queues a leaf, within the write of the fact it records. */
  due(leaf: Leaf): void {
    this.#sql.run('INSERT INTO log_due (leaf) VALUES (?)', canonical(leaf));
  }

  /** The position up to which a table was followed. */
  cursor(source: string): number {
    return Number(this.#state(source) ?? '0');
  }

  /**
   * Appends some of what was committed since the last step.
   * @param all whether the heads of moving runs are appended too; else they wait until the run pauses or some time has passed
   * @returns `more`: call again at once; `moving`: some runs are moving, and a later step appends their heads
   */
  step(now: number, all: boolean): 'more' | 'moving' | 'done' {
    this.#begin(now);
    this.#sweep += 1;
    const more = [this.#dues(), this.#acts(), this.#admissions(), this.#entries(now)].includes(true);
    if (!more) this.#heads(now, all);
    this.#settle();
    return more ? 'more' : this.#known(now).size > 0 ? 'moving' : 'done';
  }

  /** Starts the log; in an older folder it starts with what exists, and its first leaf says when that was. */
  #begin(now: number): void {
    if (this.#load().size > 0) return;
    const { runs } = this.#sql.get<{ runs: number }>('SELECT coalesce(max(n), 0) AS runs FROM runs') ?? { runs: 0 };
    this.#append(canonical({ kind: 'begins', at: now, runs, format: 1 } satisfies Leaf));
    for (const { n } of this.#sql.all<{ n: number }>("SELECT n FROM runs WHERE lifecycle = 'ended' AND end_hash IS NULL")) this.buried(n);
    for (const { id, erased_at } of this.#sql.all<{ id: RunId; erased_at: number }>(
      'SELECT id, erased_at FROM runs WHERE erased_at IS NOT NULL',
    ))
      this.due({ kind: 'erased', run: id, at: erased_at });
    for (const { id } of this.#sql.all<{ id: GrantId }>('SELECT id FROM grants WHERE revoked = 1'))
      this.due({ kind: 'revoked', grant: id });
    for (const { kind: of, lifted_by, lifted_at, ...row } of this.#sql.all<Quarantined>(
      'SELECT kind, tenant, name, by, reason, at, lifted_by, lifted_at FROM quarantines ORDER BY rowid',
    )) {
      this.due({ kind: 'quarantined', of, ...row });
      const { name, tenant } = row;
      if (lifted_at !== null) this.due({ kind: 'lifted', of, tenant, name, by: lifted_by ?? '', at: lifted_at });
    }
  }

  #acts(): boolean {
    if (this.#front === undefined) return false;
    let more = false;
    for (const table of FRONT_TABLES) {
      const cursor = FrontTables.cursor(table);
      const { to, leaves } = this.#front.after(table, this.cursor(cursor), STEP);
      for (const leaf of leaves) this.#append(canonical(leaf));
      if (leaves.length > 0) this.#set(cursor, String(to));
      more ||= leaves.length === STEP;
    }
    return more;
  }

  /** Logs the end of a run that was ended without an entry. */
  buried(n: number): void {
    const run = this.#run(n);
    const last = this.#sql.get<{ seq: number; hash: Uint8Array }>(
      'SELECT seq, hash FROM journal WHERE run = ? ORDER BY seq DESC LIMIT 1',
      n,
    );
    if (run !== undefined) this.due(endedLeaf(run, last?.seq ?? 0, last?.hash));
  }

  #dues(): boolean {
    const rows = this.#sql.all<{ n: number; leaf: string }>('SELECT n, leaf FROM log_due ORDER BY n LIMIT ?', STEP);
    const last = rows.at(-1);
    if (last === undefined) return false;
    for (const { leaf } of rows) this.#append(leaf);
    this.#sql.run('DELETE FROM log_due WHERE n <= ?', last.n);
    return rows.length === STEP;
  }

  #admissions(): boolean {
    const rows = this.#sql.all<{
      n: number;
      id: RunId;
      tenant: string;
      parent: RunId | null;
      created_at: number;
      record: Uint8Array | null;
      erased_at: number | null;
    }>(
      'SELECT n, id, tenant, parent, created_at, record, erased_at FROM runs LEFT JOIN records USING (n) WHERE n > ? ORDER BY n LIMIT ?',
      this.cursor('runs'),
      STEP,
    );
    for (const { n, id, tenant, parent, created_at, record, erased_at } of rows) {
      const digest = record === null || erased_at !== null ? null : digestOf(record);
      this.#append(canonical({ kind: 'admitted', run: id, n, tenant, parent, at: created_at, record: digest } satisfies Leaf));
    }
    const last = rows.at(-1);
    if (last !== undefined) this.#set('runs', String(last.n));
    return rows.length === STEP;
  }

  /** Follows all journals: logs ends at once, and notes which other runs moved. */
  #entries(now: number): boolean {
    const moved = this.#known(now);
    const rows = this.#sql.all<{ rowid: number; run: number; seq: number; hash: Uint8Array }>(
      'SELECT rowid, run, seq, hash FROM journal WHERE rowid > ? ORDER BY rowid LIMIT ?',
      this.cursor('journal'),
      ENTRIES,
    );
    const last = rows.at(-1);
    if (last === undefined) return false;
    const latest = new Map(rows.map((row) => [row.run, row]));
    for (const { run: n, seq, hash: at, rowid } of latest.values()) {
      const run = this.#run(n);
      if (run === undefined) continue;
      if (run.lifecycle === 'ended') {
        moved.delete(n);
        // While a whole folder is caught up with, this may not be the last entry.
        if (run.end_hash !== null && Buffer.from(run.end_hash).equals(at)) this.#append(canonical(endedLeaf(run, seq, at)));
        continue;
      }
      const { from, since } = moved.get(n) ?? { from: rowid, since: now };
      moved.set(n, { from, since, seq, hash: at, sweep: this.#sweep });
    }
    this.#set('journal', String(last.rowid));
    return rows.length === ENTRIES;
  }

  /** Logs the heads of runs that did not move since the last sweep, or have been moving for some time. */
  #heads(now: number, all: boolean): void {
    const moved = this.#known(now);
    for (const [n, { seq, hash: at, sweep, since }] of moved) {
      if (!all && sweep === this.#sweep && now - since < MACHINE.log_head_ms.default) continue;
      const run = this.#run(n);
      if (run !== undefined) this.#append(canonical({ kind: 'head', run: run.id, seq, hash: hex(at) } satisfies Leaf));
      moved.delete(n);
    }
    let first = this.cursor('journal');
    for (const { from } of moved.values()) first = Math.min(first, from - 1);
    this.#set('heads', String(first));
  }

  /** Runs that moved and had no leaf yet when the previous host ended. */
  #known(now: number): Map<number, Moved> {
    if (this.#moved !== undefined) return this.#moved;
    const rows = this.#sql.all<{ run: number; seq: number; hash: Uint8Array; first: number }>(
      // SQLite takes bare columns next to two aggregates from any row of the group, so the last entry is looked up by its number.
      `SELECT last.run, last.seq, last.hash, moved.first FROM (
         SELECT run, max(seq) AS seq, min(journal.rowid) AS first FROM journal JOIN runs ON runs.n = journal.run
         WHERE journal.rowid > ? AND journal.rowid <= ? AND lifecycle <> 'ended' GROUP BY run
       ) AS moved JOIN journal AS last ON last.run = moved.run AND last.seq = moved.seq`,
      this.cursor('heads'),
      this.cursor('journal'),
    );
    const entries = rows.map(({ run, seq, hash: at, first }) => [run, { from: first, since: now, seq, hash: at, sweep: -1 }] as const);
    return (this.#moved = new Map<number, Moved>(entries));
  }

  #run(n: number): RunState | undefined {
    return this.#sql.get<RunState>('SELECT id, lifecycle, outcome_kind, outcome, ended_at, end_hash FROM runs WHERE n = ?', n);
  }

  #load(): Frontier {
    return (this.#frontier ??= Frontier.parse(this.#state('frontier') ?? '0:'));
  }

  #append(leaf: string): void {
    const frontier = this.#load();
    const leafs = leafHash(leaf);
    frontier.append(leafs);
    this.#sql.run('INSERT INTO log (n, leaf, hash) VALUES (?, ?, ?)', frontier.size, leaf, leafs);
  }

  #settle(): void {
    this.#set('frontier', this.#load().toString());
  }

  #state(name: string): string | undefined {
    return this.#sql.get<{ value: string }>('SELECT value FROM log_state WHERE name = ?', name)?.value;
  }

  #set(name: string, value: string): void {
    this.#sql.run(
      'INSERT INTO log_state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value',
      name,
      value,
    );
  }
}

/** A quarantine as stored. */
export interface Quarantined extends Omit<Quarantine, 'tenant'> {
  readonly tenant: string | null;
  readonly lifted_by: string | null;
  readonly lifted_at: number | null;
}

function endedLeaf({ id, outcome_kind, ended_at, outcome }: RunState, seq: number, at: Uint8Array | undefined): Leaf {
  return {
    kind: 'ended',
    run: id,
    seq,
    hash: at === undefined ? null : hex(at),
    as: outcome_kind ?? '',
    at: ended_at,
    outcome: outcome === null ? null : digestOf(outcome),
  };
}
