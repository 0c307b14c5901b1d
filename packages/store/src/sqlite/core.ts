/**
 * What each operation of the port does to the tables, synchronously, one statement after the other. The writer thread
 * runs these in batches; a simulated world runs them directly.
 */
import { hash } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import type { Grant, GrantState } from '@corral/protocol/grant';
import type { Digest, RunId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/manifest';
import type { PendingDelivery } from '@corral/protocol/delivery';
import type { Entry, RunRecord, RunStatus } from '@corral/protocol/run';
import type { Commit, CommitResult, InboxItem, RunFilter, StoredRun } from '@corral/protocol/store';
import { decodeBody, encodeBody } from './body.ts';

interface RunRow {
  readonly n: number;
  readonly record: string;
  readonly lifecycle: RunStatus['lifecycle'];
  readonly control: RunStatus['control'];
  readonly outcome: string | null;
  readonly ended_at: number | null;
  readonly epoch: number;
  readonly seq: number | null;
  readonly waiting: RunStatus['waiting'] | null;
}

/** What a commit must know of its run. The writer alone changes it, so it may remember. */
interface Head {
  readonly n: number;
  epoch: number;
  seq: number;
  lifecycle: RunStatus['lifecycle'];
  control: RunStatus['control'];
  hash: Uint8Array;
}

interface GrantRow {
  readonly parent: string | null;
  readonly data: string;
  readonly used: number;
  readonly revoked: number;
}

const SELECT_RUN = `SELECT runs.n, record, lifecycle, control, outcome, ended_at, epoch, last.seq, last.waiting
  FROM runs JOIN records USING (n) LEFT JOIN journal AS last ON last.run = runs.n AND last.seq = (SELECT max(seq) FROM journal WHERE run = runs.n)`;
const LIST_LIMIT = 1000;
/** Heads that are remembered at most. */
const HEADS = 10_000;
const NO_HASH = new Uint8Array(0);

export class SqliteCore {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #heads = new Map<RunId, Head>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Counts an opening for writing. */
  nextEra(): number {
    const row = this.#get<{ value: string }>("SELECT value FROM meta WHERE name = 'era'");
    const era = Number(row?.value ?? '0') + 1;
    this.#run("INSERT INTO meta (name, value) VALUES ('era', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", String(era));
    return era;
  }

  deploy(bundle: { digest: Digest; source: string; source_map: string | undefined }, versions: readonly AgentVersion[]): void {
    this.#run(
      'INSERT OR IGNORE INTO bundles (digest, source, source_map) VALUES (?, ?, ?)',
      bundle.digest,
      bundle.source,
      bundle.source_map ?? null,
    );
    for (const { version, bundle: digest, manifest } of versions) {
      this.#run(
        'INSERT OR IGNORE INTO versions (version, bundle, name, manifest) VALUES (?, ?, ?, ?)',
        version,
        digest,
        manifest.name,
        JSON.stringify(manifest),
      );
    }
  }

  version(version: Digest): AgentVersion | undefined {
    const row = this.#get<{ bundle: Digest; manifest: string }>('SELECT bundle, manifest FROM versions WHERE version = ?', version);
    return row && { version, bundle: row.bundle, manifest: JSON.parse(row.manifest) as AgentVersion['manifest'] };
  }

  agents(bundle: Digest): AgentVersion[] {
    const rows = this.#statement('SELECT version, manifest FROM versions WHERE bundle = ?').all(bundle) as unknown as {
      version: Digest;
      manifest: string;
    }[];
    return rows.map(({ version, manifest }) => ({ version, bundle, manifest: JSON.parse(manifest) as AgentVersion['manifest'] }));
  }

  bundle(digest: Digest): string | undefined {
    return this.#get<{ source: string }>('SELECT source FROM bundles WHERE digest = ?', digest)?.source;
  }

  admit(record: RunRecord, grants: readonly Grant[], claim: boolean): void {
    const lifecycle = claim ? 'active' : 'queued';
    const epoch = claim ? 1 : 0;
    const { lastInsertRowid } = this.#statement(
      `INSERT INTO runs (id, tenant, parent, lifecycle, control, epoch, inbox_seq, created_at) VALUES (?, ?, ?, ?, 'none', ?, 0, ?)`,
    ).run(record.id, record.tenant, record.parent?.run ?? null, lifecycle, epoch, record.created_at);
    const n = Number(lastInsertRowid);
    this.#run('INSERT INTO records (n, record) VALUES (?, ?)', n, JSON.stringify(record));
    for (const grant of grants) this.#putGrant(grant);
    this.#remember(record.id, { n, epoch, seq: 0, lifecycle, control: 'none', hash: NO_HASH });
  }

  claim(run: RunId): StoredRun | undefined {
    this.#heads.delete(run);
    this.#run("UPDATE runs SET epoch = epoch + 1, lifecycle = 'active' WHERE id = ? AND lifecycle <> 'ended'", run);
    return this.run(run);
  }

  commit(commit: Commit): CommitResult {
    const { run, epoch, entry, status } = commit;
    const head = this.#head(run);
    if (head.epoch !== epoch || head.seq !== entry.seq - 1 || head.lifecycle === 'ended') {
      throw new CorralError(
        'CORRAL_EPOCH_STALE',
        `Entry ${entry.seq} of ${run} under epoch ${epoch} was refused: the run is at entry ${head.seq}, epoch ${head.epoch}, ${head.lifecycle}.`,
      );
    }
    const body = encodeBody(entry);
    const hash = chain(head.hash, run, entry, body);
    this.#run(
      'INSERT INTO journal (run, seq, at, cpu_us, waiting, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?)',
      head.n,
      entry.seq,
      entry.at,
      entry.cpu_us,
      status.waiting,
      hash,
      body,
    );
    head.seq = entry.seq;
    head.hash = hash;
    if (status.lifecycle !== head.lifecycle || status.control !== head.control) {
      const outcome = status.outcome === undefined ? null : JSON.stringify(status.outcome);
      this.#run(
        'UPDATE runs SET lifecycle = ?, control = ?, outcome = ?, ended_at = ? WHERE n = ?',
        status.lifecycle,
        status.control,
        outcome,
        status.ended_at ?? null,
        head.n,
      );
      head.lifecycle = status.lifecycle;
      head.control = status.control;
    }
    if (commit.consumed !== undefined) this.#run('DELETE FROM inbox WHERE run = ? AND seq = ?', head.n, commit.consumed);
    for (const record of commit.spawned) this.admit(record, [], true);
    for (const grant of commit.grants) this.#putGrant(grant);
    for (const { id, used, revoked } of commit.grantStates)
      this.#run('UPDATE grants SET used = ?, revoked = ? WHERE id = ?', used, Number(revoked), id);
    for (const { id, due } of commit.timers) this.#run('INSERT INTO timers (run, id, due) VALUES (?, ?, ?)', head.n, id, due);
    for (const id of commit.timersDone) this.#run('DELETE FROM timers WHERE run = ? AND id = ?', head.n, id);
    const delivered = commit.outbox.map(({ to, key, delivery }) => this.#deliver(run, to, key, delivery));
    if (status.lifecycle === 'ended') this.#forget(run, head.n);
    return { delivered };
  }

  /** What was remembered may not have happened: a transaction was rolled back. */
  doubt(): void {
    this.#heads.clear();
  }

  run(run: RunId): StoredRun | undefined {
    const row = this.#get<RunRow>(`${SELECT_RUN} WHERE id = ?`, run);
    return row && storedRun(row);
  }

  runs(filter: RunFilter): StoredRun[] {
    const where: string[] = [];
    const values: (string | number)[] = [];
    if (filter.tenant !== undefined) {
      where.push('tenant = ?');
      values.push(filter.tenant);
    }
    if (filter.parent !== undefined) {
      where.push('parent = ?');
      values.push(filter.parent);
    }
    if (filter.ended !== undefined) where.push(filter.ended ? "lifecycle = 'ended'" : "lifecycle <> 'ended'");
    const rows = this.#statement(
      `${SELECT_RUN} ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY created_at LIMIT ?`,
    ).all(...values, filter.limit ?? LIST_LIMIT) as unknown as RunRow[];
    return rows.map((row) => storedRun(row));
  }

  journal(run: RunId, after = 0, limit = -1): Entry[] {
    const rows = this.#statement(
      'SELECT seq, at, cpu_us, body FROM journal WHERE run = (SELECT n FROM runs WHERE id = ?) AND seq > ? ORDER BY seq LIMIT ?',
    ).all(run, after, limit);
    return (rows as unknown as Parameters<typeof decodeBody>[0][]).map((row) => decodeBody(row));
  }

  inbox(run: RunId): InboxItem[] {
    const rows = this.#statement('SELECT seq, delivery FROM inbox WHERE run = (SELECT n FROM runs WHERE id = ?) ORDER BY seq').all(
      run,
    ) as unknown as {
      seq: number;
      delivery: string;
    }[];
    return rows.map(({ seq, delivery }) => ({ seq, delivery: JSON.parse(delivery) as PendingDelivery }));
  }

  grants(run: RunId): (Grant & GrantState)[] {
    const rows = this.#statement(
      `WITH RECURSIVE chain (id) AS (
         SELECT id FROM grants WHERE holder = ?
         UNION SELECT parent FROM grants JOIN chain USING (id) WHERE parent IS NOT NULL
       ) SELECT data, used, revoked FROM grants JOIN chain USING (id)`,
    ).all(run) as unknown as GrantRow[];
    return rows.map(({ data, used, revoked }) => ({ ...(JSON.parse(data) as Grant), used, revoked: revoked !== 0 }));
  }

  /** Puts a delivery into an inbox; 0 where the receiver has ended. */
  #deliver(from: RunId, to: RunId, key: string, delivery: PendingDelivery): number {
    const row = this.#get<{ n: number; inbox_seq: number }>(
      "UPDATE runs SET inbox_seq = inbox_seq + 1 WHERE id = ? AND lifecycle <> 'ended' RETURNING n, inbox_seq",
      to,
    );
    if (row === undefined) return 0;
    this.#run(
      'INSERT INTO inbox (run, seq, sender, key, delivery) VALUES (?, ?, ?, ?, ?)',
      row.n,
      row.inbox_seq,
      from,
      key,
      JSON.stringify(delivery),
    );
    return row.inbox_seq;
  }

  /** An ended run waits for nothing; its grants stay for the record, dead with their holder. */
  #forget(run: RunId, n: number): void {
    this.#run('DELETE FROM inbox WHERE run = ?', n);
    this.#run('DELETE FROM timers WHERE run = ?', n);
    this.#heads.delete(run);
  }

  #head(run: RunId): Head {
    const known = this.#heads.get(run);
    if (known !== undefined) return known;
    const row = this.#get<{
      n: number;
      epoch: number;
      lifecycle: Head['lifecycle'];
      control: Head['control'];
      seq: number | null;
      hash: Uint8Array | null;
    }>(
      `SELECT n, epoch, lifecycle, control, last.seq, last.hash FROM runs
       LEFT JOIN journal AS last ON last.run = n AND last.seq = (SELECT max(seq) FROM journal WHERE run = n) WHERE id = ?`,
      run,
    );
    if (row === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run}.`);
    return this.#remember(run, { ...row, seq: row.seq ?? 0, hash: row.hash ?? NO_HASH });
  }

  #remember(run: RunId, head: Head): Head {
    if (this.#heads.size >= HEADS) {
      const [oldest] = this.#heads.keys();
      if (oldest !== undefined) this.#heads.delete(oldest);
    }
    this.#heads.set(run, head);
    return head;
  }

  #putGrant(grant: Grant): void {
    this.#run(
      'INSERT INTO grants (id, parent, holder, data, used, revoked) VALUES (?, ?, ?, ?, 0, 0)',
      grant.id,
      grant.parent ?? null,
      grant.holder,
      JSON.stringify(grant),
    );
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, ...values: (string | number | null | Uint8Array)[]): void {
    this.#statement(sql).run(...values);
  }

  #get<T>(sql: string, ...values: (string | number | null)[]): T | undefined {
    return this.#statement(sql).get(...values) as T | undefined;
  }
}

/** Each entry's hash takes in the one before, so that none can be changed, left out or moved without all that follow (hash chain). */
function chain(before: Uint8Array, run: RunId, entry: Entry, body: Buffer): Buffer {
  return hash('sha256', Buffer.concat([before, Buffer.from(`${run}:${entry.seq}:${entry.at}:${entry.cpu_us}:`, 'latin1'), body]), 'buffer');
}

function storedRun(row: RunRow): StoredRun {
  return {
    record: JSON.parse(row.record) as RunRecord,
    status: {
      lifecycle: row.lifecycle,
      control: row.control,
      waiting: row.waiting ?? 'nothing',
      outcome: row.outcome === null ? undefined : (JSON.parse(row.outcome) as NonNullable<RunStatus['outcome']>),
      ended_at: row.ended_at ?? undefined,
    },
    epoch: row.epoch,
    seq: row.seq ?? 0,
  };
}
