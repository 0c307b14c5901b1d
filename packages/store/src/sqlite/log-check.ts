/**
 * Checks the log against itself and against the tables: the log's facts must still hold, and everything that belongs in the log
 * must be there. Needs no key. Anyone who can write to the database can rewrite the whole log as well; only a head that is kept
 * elsewhere shows that.
 */
import type { Leaf, LogHead, LogProblem, LogVerification } from '@corral/protocol/model/log';
import { Frontier, leafHash } from '../log/merkle.ts';
import { digestOf, hex } from '../core/digests.ts';
import type { Log, Quarantined } from './log.ts';
import { FRONT_TABLES, FrontTables, type FrontTable } from './log-front.ts';
import type { Sql } from './sql.ts';

const PAGE = 1_000;
const DAY_MS = 86_400_000;
/** Most problems that are listed. */
const LISTED = 1_000;

interface RunRow {
  readonly n: number;
  readonly tenant: string;
  readonly parent: string | null;
  readonly created_at: number;
  readonly lifecycle: string;
  readonly outcome_kind: string | null;
  readonly outcome: Uint8Array | null;
  readonly ended_at: number | null;
  readonly end_hash: Uint8Array | null;
  readonly erased_at: number | null;
  readonly record: Uint8Array | null;
}

const RUN =
  'SELECT n, tenant, parent, created_at, lifecycle, outcome_kind, outcome, ended_at, end_hash, erased_at, record FROM runs LEFT JOIN records USING (n)';

/** A set of small numbers. */
class Bits {
  readonly #bytes: Uint8Array;
  constructor(size: number) {
    this.#bytes = new Uint8Array((size >> 3) + 1);
  }
  add(n: number): void {
    const at = n >> 3;
    this.#bytes[at] = (this.#bytes[at] ?? 0) | (1 << (n & 7));
  }
  has(n: number): boolean {
    return ((this.#bytes[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
  }
}

export interface CheckWanted {
  /** A head that was kept elsewhere. */
  readonly head?: LogHead | undefined;
  /** Besides the log itself, only what concerns this run, or runs of this tenant. */
  readonly run?: string | undefined;
  readonly tenant?: string | undefined;
}

/** Checks as of one moment, while others go on writing. */
export function checkLog(sql: Sql, log: Log, front: FrontTables | undefined, wanted: CheckWanted): LogVerification {
  sql.db.exec('BEGIN');
  try {
    // The log is read first, so that everything in it is visible in the tables read after it.
    log.head();
    front?.begin();
    return new Check(sql, log, front, wanted).all();
  } finally {
    front?.end();
    sql.db.exec('ROLLBACK');
  }
}

class Check {
  readonly #sql: Sql;
  readonly #log: Log;
  readonly #front: FrontTables | undefined;
  readonly #wanted: CheckWanted;
  /** Whether everything is checked, and not only one run or tenant. */
  readonly #whole: boolean;
  readonly #problems: LogProblem[] = [];
  #count = 0;
  #since: number | null = null;
  #before = 0;
  /** Number of the run that was admitted last according to the leaves. */
  #admitted = 0;
  readonly #ended: Bits;
  readonly #erased = new Set<string>();
  readonly #quarantines = new Set<string>();
  readonly #lifted = new Set<string>();
  /** Rows of the front door's tables that leaves refer to. */
  readonly #rows = new Map<FrontTable, Map<number, string>>(FRONT_TABLES.map((table) => [table, new Map()]));
  /** Acts before this time were deleted when their retention had passed. */
  #forgotten = 0;

  constructor(sql: Sql, log: Log, front: FrontTables | undefined, wanted: CheckWanted) {
    this.#sql = sql;
    this.#log = log;
    this.#front = front;
    this.#wanted = wanted;
    this.#whole = wanted.run === undefined && wanted.tenant === undefined;
    const { most } = sql.get<{ most: number | null }>('SELECT max(n) AS most FROM runs') ?? { most: 0 };
    this.#ended = new Bits(most ?? 0);
  }

  all(): LogVerification {
    const { head: known } = this.#wanted;
    this.#forgetting();
    const frontier = this.#walk(known);
    const head = { size: frontier.size, hash: hex(frontier.root()) };
    const written = this.#log.head();
    if (written.size !== head.size || written.hash !== head.hash)
      this.#say(
        0,
        'log',
        'log',
        `The log has ${head.size} leaves with the root ${head.hash.slice(0, 16)}…; when it was last written it had ${written.size} with ${written.hash.slice(0, 16)}….`,
      );
    if (known !== undefined && known.size > head.size)
      this.#say(0, 'log', 'log', `The log has ${head.size} leaves; it had ${known.size} when its head was kept. It was truncated.`);
    if (this.#whole) this.#unspoken();
    return { ...head, since: this.#since, before: this.#before, problems: this.#problems, count: this.#count };
  }

  /** Reads deletions first: a deletion in good order is later in the log than what was deleted. */
  #forgetting(): void {
    const like = `leaf LIKE '%"kind":"erased"%' OR leaf LIKE '%"operation":"forget-operations"%'`;
    for (const { leaf: text } of this.#sql.all<{ leaf: string }>(`SELECT leaf FROM log WHERE ${like}`)) {
      const leaf = parsed(text);
      if (leaf?.kind === 'erased') this.#erased.add(leaf.run);
      // No retention is shorter than a day, so an act that claims to delete newer acts is ignored.
      if (leaf?.kind === 'act' && leaf.before !== undefined && leaf.before <= leaf.at - DAY_MS)
        this.#forgotten = Math.max(this.#forgotten, leaf.before);
    }
  }

  #walk(known: LogHead | undefined): Frontier {
    const frontier = new Frontier();
    const compare = () => {
      if (known?.size !== frontier.size || known.hash === hex(frontier.root())) return;
      this.#say(0, 'log', 'log', `The first ${known.size} leaves are not those whose head was kept.`);
    };
    compare();
    for (let after = 0; ;) {
      const rows = this.#sql.all<{ n: number; leaf: string; hash: Uint8Array }>(
        'SELECT n, leaf, hash FROM log WHERE n > ? ORDER BY n LIMIT ?',
        after,
        PAGE,
      );
      for (const { n, leaf, hash } of rows) {
        if (n !== after + 1) this.#say(after + 1, 'log', 'log', `Leaf ${after + 1} is missing; the next one there is ${n}.`);
        const computed = leafHash(leaf);
        if (!computed.equals(hash)) this.#say(n, 'log', 'log', `Leaf ${n} was changed.`);
        frontier.append(computed);
        compare();
        this.#leaf(n, leaf);
        after = n;
      }
      if (rows.length < PAGE) return frontier;
    }
  }

  #leaf(n: number, text: string): void {
    const leaf = parsed(text);
    switch (leaf?.kind) {
      case 'begins':
        this.#since = leaf.at;
        this.#before = leaf.runs;
        return;
      case 'admitted':
        this.#admission(n, leaf);
        return;
      case 'head':
        if (this.#concerns(leaf.run)) this.#journal(n, leaf.run, leaf.seq, leaf.hash);
        return;
      case 'ended':
        if (this.#concerns(leaf.run)) this.#end(n, leaf);
        return;
      case 'erased':
        if (this.#concerns(leaf.run) && this.#row(leaf.run)?.erased_at === null)
          this.#say(n, 'run', leaf.run, `${leaf.run} was erased, and is not erased any more.`);
        return;
      case 'revoked': {
        if (!this.#whole) return;
        const grant = this.#sql.get<{ revoked: number }>('SELECT revoked FROM grants WHERE id = ?', leaf.grant);
        if (grant === undefined) this.#say(n, 'grant', leaf.grant, `${leaf.grant} was revoked, and is missing.`);
        else if (grant.revoked === 0) this.#say(n, 'grant', leaf.grant, `${leaf.grant} was revoked, and is stored as if it had not been.`);
        return;
      }
      case 'quarantined':
        if (this.#whole) this.#quarantine(n, leaf);
        return;
      case 'lifted':
        if (this.#whole) this.#lift(n, leaf);
        return;
      case 'act':
        if (this.#whole) this.#act(n, leaf);
        return;
      case 'row':
        if (this.#whole) this.#frontRow(n, leaf);
        return;
      case undefined:
        this.#say(n, 'log', 'log', `Leaf ${n} cannot be read.`);
    }
  }

  #admission(n: number, leaf: Extract<Leaf, { kind: 'admitted' }>): void {
    // Runs are numbered in the order of admission, so a run with a number in between was inserted later.
    const between = this.#sql.all<{ id: string }>('SELECT id FROM runs WHERE n > ? AND n < ?', this.#admitted, leaf.n);
    for (const { id } of this.#whole ? between : []) this.#say(0, 'run', id, `${id} was never admitted: no leaf says so.`);
    this.#admitted = Math.max(this.#admitted, leaf.n);
    const { run, tenant } = this.#wanted;
    if ((run !== undefined && run !== leaf.run) || (tenant !== undefined && tenant !== leaf.tenant)) return;
    const row = this.#row(leaf.run);
    if (row?.n !== leaf.n) this.#stranger(leaf.n);
    if (row === undefined) return this.#say(n, 'run', leaf.run, `${leaf.run} was admitted at ${iso(leaf.at)}, and is missing.`);
    if (row.n !== leaf.n || row.tenant !== leaf.tenant || row.parent !== leaf.parent || row.created_at !== leaf.at)
      this.#say(n, 'run', leaf.run, `${leaf.run} differs from its admission: its tenant, its parent or its time was changed.`);
    if (row.erased_at !== null && !this.#erased.has(leaf.run) && !this.#isDue('erased', leaf.run))
      this.#say(n, 'run', leaf.run, `${leaf.run} is erased, and nobody erased it.`);
    if (row.erased_at !== null || leaf.record === null) return;
    if (row.record === null || digestOf(row.record) !== leaf.record)
      this.#say(n, 'run', leaf.run, `The record that ${leaf.run} was admitted with was changed.`);
  }

  /** Names the run that has the number of another run's admission. */
  #stranger(n: number): void {
    const other = this.#sql.get<{ id: string }>('SELECT id FROM runs WHERE n = ?', n);
    if (other !== undefined) this.#say(0, 'run', other.id, `${other.id} was never admitted: no leaf says so.`);
  }

  /** @returns whether the journal of a run still has an entry with this hash */
  #journal(n: number, run: string, seq: number, hash: string): boolean {
    const row = this.#row(run);
    // Already reported at its admission.
    if (row === undefined) return false;
    const entry = this.#sql.get<{ hash: Uint8Array }>('SELECT hash FROM journal WHERE run = ? AND seq = ?', row.n, seq);
    if (entry !== undefined && hex(entry.hash) === hash) return true;
    const now = entry === undefined ? 'is missing, and what followed it is cut off or changed' : 'is another entry now';
    this.#say(n, 'journal', run, `Entry ${seq} of ${run} ${now}.`);
    return false;
  }

  #end(n: number, { run, seq, hash, as, at, outcome }: Extract<Leaf, { kind: 'ended' }>): void {
    const row = this.#row(run);
    if (row === undefined) return;
    this.#ended.add(row.n);
    if (hash !== null && this.#journal(n, run, seq, hash)) {
      const after = this.#sql.get<{ seq: number }>('SELECT max(seq) AS seq FROM journal WHERE run = ?', row.n);
      if (after !== undefined && after.seq > seq)
        this.#say(n, 'journal', run, `${run} had ended at entry ${seq}; its journal goes on to ${after.seq}.`);
    }
    const was = `${as} at ${at === null ? 'a time that is not known' : iso(at)}`;
    if (row.lifecycle !== 'ended') return this.#say(n, 'outcome', run, `${run} ended as ${was}; it is stored as ${row.lifecycle} now.`);
    if (row.outcome_kind !== as || row.ended_at !== at)
      this.#say(
        n,
        'outcome',
        run,
        `${run} ended as ${was}; it is stored as ${row.outcome_kind ?? 'nothing'} at ${row.ended_at === null ? 'no time' : iso(row.ended_at)} now.`,
      );
    else if (row.erased_at === null && outcome !== (row.outcome === null ? null : digestOf(row.outcome)))
      this.#say(n, 'outcome', run, `The outcome that ${run} ended with was changed.`);
    if (hash !== null && (row.end_hash === null || hex(row.end_hash) !== hash))
      this.#say(n, 'journal', run, `The hash of the last entry of ${run} was changed.`);
  }

  #quarantine(n: number, { of, tenant, name, by, reason, at }: Extract<Leaf, { kind: 'quarantined' }>): void {
    this.#quarantines.add(keyOf(of, tenant, name, at));
    const row = this.#sql.get<{ by: string; reason: string }>(
      'SELECT by, reason FROM quarantines WHERE kind = ? AND tenant IS ? AND name = ? AND at = ? AND by = ? AND reason = ?',
      of,
      tenant,
      name,
      at,
      by,
      reason,
    );
    if (row === undefined)
      this.#say(
        n,
        'quarantine',
        `${of} ${name}`,
        `The quarantine on ${of} ${name} that ${by} put up at ${iso(at)} is missing or was changed.`,
      );
  }

  #lift(n: number, { of, tenant, name, by, at }: Extract<Leaf, { kind: 'lifted' }>): void {
    this.#lifted.add(keyOf(of, tenant, name, at));
    const where = 'kind = ? AND tenant IS ? AND name = ? AND lifted_at = ? AND lifted_by = ?';
    const row = this.#sql.get(`SELECT 1 FROM quarantines WHERE ${where}`, of, tenant, name, at, by);
    if (row === undefined)
      this.#say(
        n,
        'quarantine',
        `${of} ${name}`,
        `${by} lifted the quarantine on ${of} ${name} at ${iso(at)}; it is stored as if it had not been lifted.`,
      );
  }

  /** Rows of the tables that should have a leaf and have none. */
  #unspoken(): void {
    const [runs, journal] = [this.#log.cursor('runs'), this.#log.cursor('journal')];
    for (const { id } of this.#sql.all<{ id: string }>('SELECT id FROM runs WHERE n > ? AND n <= ?', this.#admitted, runs))
      this.#say(0, 'run', id, `${id} was never admitted: no leaf says so.`);
    for (let after = 0; ;) {
      const rows = this.#sql.all<{ n: number; id: string; last: number | null; outcome_kind: string | null }>(
        `SELECT n, id, outcome_kind, (SELECT max(rowid) FROM journal WHERE run = n AND seq = (SELECT max(seq) FROM journal WHERE run = n)) AS last
         FROM runs WHERE lifecycle = 'ended' AND n > ? ORDER BY n LIMIT ?`,
        after,
        PAGE,
      );
      for (const { n, id, last, outcome_kind } of rows) {
        after = n;
        if (this.#ended.has(n) || n > runs || (last !== null && last > journal) || this.#isDue('ended', id)) continue;
        this.#say(0, 'outcome', id, `${id} is stored as ended (${outcome_kind ?? 'nothing'}), and never ended: no leaf says so.`);
      }
      if (rows.length < PAGE) break;
    }
    this.#unspokenRows();
    for (const { kind, tenant, name, by, at, lifted_at } of this.#sql.all<Quarantined>(
      'SELECT kind, tenant, name, by, at, lifted_at FROM quarantines',
    )) {
      if (!this.#quarantines.has(keyOf(kind, tenant, name, at)) && !this.#isDue('quarantined', name))
        this.#say(
          0,
          'quarantine',
          `${kind} ${name}`,
          `The quarantine on ${kind} ${name}, stored as put up by ${by}, was never put up: no leaf says so.`,
        );
      if (lifted_at !== null && !this.#lifted.has(keyOf(kind, tenant, name, lifted_at)) && !this.#isDue('lifted', name))
        this.#say(0, 'quarantine', `${kind} ${name}`, `The quarantine on ${kind} ${name} was never lifted: no leaf says so.`);
    }
  }

  /** Whether the leaf for something is committed to `log_due` and will be appended. */
  #isDue(kind: Leaf['kind'], subject: string): boolean {
    const pattern = `%${JSON.stringify(subject).replaceAll(/[\\%_]/g, (c) => `\\${c}`)}%`;
    return this.#sql
      .all<{ leaf: string }>(`SELECT leaf FROM log_due WHERE leaf LIKE ? ESCAPE '\\'`, pattern)
      .some(({ leaf }) => parsed(leaf)?.kind === kind);
  }

  #row(run: string): RunRow | undefined {
    return this.#sql.get<RunRow>(`${RUN} WHERE id = ?`, run);
  }

  #act(n: number, { n: row, id, at, by, operation, digest, revokes }: Extract<Leaf, { kind: 'act' }>): void {
    this.#rows.get('operations')?.set(row, id);
    const now = this.#front?.digest('operations', id);
    if (now === undefined && at >= this.#forgotten)
      this.#say(n, 'operation', id, `What ${by} did at ${iso(at)} (${operation}, ${id}) is missing among the operations.`);
    else if (now !== undefined && now !== digest)
      this.#say(n, 'operation', id, `The row of what ${by} did at ${iso(at)} (${operation}, ${id}) was changed.`);
    if (revokes !== undefined && this.#front?.isRevoked(revokes) !== true)
      this.#say(n, 'row', revokes, `${by} revoked ${revokes} at ${iso(at)}; it is stored as if it had not been revoked.`);
  }

  #frontRow(n: number, { table, n: row, key, digest }: Extract<Leaf, { kind: 'row' }>): void {
    const known = FRONT_TABLES.find((one) => one === table);
    if (known === undefined) return;
    this.#rows.get(known)?.set(row, String(key));
    const now = this.#front?.digest(known, key);
    if (now !== digest)
      this.#say(n, 'row', `${table} ${key}`, `Row ${key} of ${table} ${now === undefined ? 'is missing' : 'was changed'}.`);
  }

  #unspokenRows(): void {
    for (const [table, spoken] of this.#rows)
      for (const { row, key } of this.#front?.upTo(table, this.#log.cursor(FrontTables.cursor(table))) ?? [])
        if (spoken.get(row) !== key)
          this.#say(0, table === 'operations' ? 'operation' : 'row', key, `Row ${key} of ${table} was inserted later: no leaf says so.`);
  }

  #concerns(run: string): boolean {
    const { run: one, tenant } = this.#wanted;
    return (one === undefined || one === run) && (tenant === undefined || this.#row(run)?.tenant === tenant);
  }

  #say(leaf: number, what: LogProblem['what'], subject: string, message: string): void {
    this.#count += 1;
    if (this.#problems.length < LISTED) this.#problems.push({ leaf, what, subject, message });
  }
}

const iso = (at: number): string => new Date(at).toISOString();
const keyOf = (...parts: readonly (string | number | null)[]) => JSON.stringify(parts);

function parsed(text: string): Leaf | undefined {
  try {
    return JSON.parse(text) as Leaf;
  } catch {
    return undefined;
  }
}
