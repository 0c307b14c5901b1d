/**
 * The operations of the store port on the tables, synchronous, one statement after the other. The writer thread runs them in
 * batches; the simulator runs them directly.
 */
import type { DatabaseSync } from 'node:sqlite';
import { CorralError } from '@corral/protocol/errors';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { LogHead, LogVerification } from '@corral/protocol/model/log';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Result } from '@corral/protocol/wire/delivery';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Entry, RunRecord, RunStatus } from '@corral/protocol/model/run';
import type { AccountDay, SpendFilter } from '@corral/protocol/model/spend';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type {
  Commit,
  CommitResult,
  Downtime,
  EntryHash,
  Erased,
  Freed,
  InboxItem,
  ReplayPage,
  RunFilter,
  Serving,
  StoredRun,
  Taken,
} from '@corral/protocol/ports/store';
import { entryTexts } from '../core/body.ts';
import { Broken, type Custody, Evidence, refused } from './evidence.ts';
import { collect, type Collected, collectable, erasable, eraseRun, type Wanted } from './gc.ts';
import { checkLog, type CheckWanted } from './log-check.ts';
import { FrontTables } from './log-front.ts';
import { Log } from './log.ts';
import { forgetSpend, postSpend, spendOf } from './accounts.ts';
import * as queries from './queries.ts';
import { Post, Told, type End } from './post.ts';
import { Claims } from './claims.ts';
import { Nodes } from './nodes.ts';
import { Requests } from './requests.ts';
import { PLACE } from '../core/places.ts';
import { chain } from '../core/seal.ts';
import { Sql } from './sql.ts';
import { type Asked, verifyStep, type Verified } from './verify.ts';

interface RunRow {
  readonly n: number;
  readonly id: RunId;
  readonly tenant: string;
  readonly version: number | null;
  readonly key: Uint8Array | null;
  readonly erased_at: number | null;
  readonly record: Uint8Array;
  readonly lifecycle: RunStatus['lifecycle'];
  readonly control: RunStatus['control'];
  readonly outcome: Uint8Array | null;
  readonly ended_at: number | null;
  readonly epoch: number;
  readonly seq: number | null;
  readonly waiting: RunStatus['waiting'] | null;
  readonly restored: number;
  readonly inbox_seq: number;
  readonly checkpoint: number;
  readonly parked: number;
  readonly still: number;
  readonly ledger: Uint8Array | null;
  readonly attempts: number;
}

/** The end of a journal, which a commit continues. Only the holder of the run changes it, so it is cached while the epoch is the same. */
interface Head {
  readonly n: number;
  readonly tenant: string;
  readonly key: Uint8Array;
  readonly epoch: number;
  seq: number;
  hash: Uint8Array;
}

/** Whether a node may write for a run, and what the run is marked with. Other nodes change it, so it is read for each commit. */
interface Standing {
  readonly epoch: number;
  readonly parked: number;
  readonly lifecycle: RunStatus['lifecycle'];
  readonly control: RunStatus['control'];
  readonly attempts: number;
  readonly asking: number;
  readonly owner: number;
  /** 0: the node that holds it counts as dead. */
  readonly lease: number | null;
}

const SELECT_RUN = `SELECT runs.n, id, tenant, version, key, record, restored, erased_at, lifecycle, control, outcome, ended_at, epoch, inbox_seq, checkpoint, parked, still, ledger, attempts, last.seq, last.waiting
  FROM runs LEFT JOIN records USING (n) LEFT JOIN journal AS last ON last.run = runs.n AND last.seq = (SELECT max(seq) FROM journal WHERE run = runs.n)`;
/** Most heads that are cached. */
const HEADS = 10_000;
const NO_HASH = new Uint8Array(0);
/** Owner of a run that no node has held yet. */
const NOBODY = 0;

export class SqliteCore {
  readonly #sql: Sql;
  readonly #evidence: Evidence;
  readonly #heads = new Map<RunId, Head>();
  readonly #log: Log;
  readonly #front: FrontTables | undefined;
  readonly #requests: Requests;
  readonly #post: Post;
  readonly #nodes: Nodes;
  readonly #claims: Claims;

  /**
   * @param folder which may have tables of a front door that the log follows
   * @param clock by which leases run. Milliseconds since 1970
   */
  constructor(db: DatabaseSync, keys: KeyRing, folder?: string, clock: () => number = Date.now) {
    this.#sql = new Sql(db);
    this.#front = folder === undefined ? undefined : new FrontTables(folder);
    this.#log = new Log(this.#sql, this.#front);
    this.#evidence = new Evidence(this.#sql, keys);
    this.#requests = new Requests(this.#sql);
    this.#nodes = new Nodes(this.#sql, clock);
    this.#claims = new Claims(this.#sql, this.#nodes, {
      run: (run) => this.run(run),
      forget: (run) => this.#heads.delete(run),
      sealLedger: (run, ledger) => this.#evidence.sealLedger(run, ledger),
    });
    this.#post = new Post(this.#sql, this.#requests, {
      keyOf: (run) => this.#keyOf(run),
      admit: (record, grants) => this.admit(record, grants, undefined),
      putGrant: (grant) => this.#putGrant(grant),
      run: (run) => this.run(run),
      quarantine: (run, reason) => this.quarantine(run, reason),
      journal: (run, after, limit) => this.journal(run, after, limit),
    });
  }

  readonly services = (): Serving[] => this.#requests.services();

  readonly serve = (serving: Serving): void => this.#requests.serve(serving);

  readonly instance = (id: string): RunId | undefined => this.#requests.instance(id);

  /** Counts an opening for writing. */
  readonly nextEra = (): number => this.#nodes.opened();

  readonly join = (name: string, now: number, lease_ms?: number): number => this.#nodes.join(name, now, lease_ms);
  readonly beat = (node: number, now: number): boolean => this.#nodes.beat(node, now);
  readonly leave = (node: number, now: number): void => this.#nodes.leave(node, now);
  /** This store is closed in order. */
  readonly retire = (): void => this.#nodes.leaveAll();
  readonly downtimes = (): Downtime[] => this.#nodes.downtimes();

  deploy(bundle: Parameters<typeof queries.deploy>[1], versions: readonly AgentVersion[]): void {
    queries.deploy(this.#sql, bundle, versions);
  }

  readonly version = (version: Digest): AgentVersion | undefined => queries.versionOf(this.#sql, version);
  readonly agents = (bundle: Digest): AgentVersion[] => queries.agentsOf(this.#sql, bundle);
  readonly bundle = (digest: Digest): string | undefined => queries.bundleOf(this.#sql, digest);

  readonly sourceMap = (digest: Digest): string | undefined =>
    this.#get<{ source_map: string | null }>('SELECT source_map FROM bundles WHERE digest = ?', digest)?.source_map ?? undefined;

  admit(record: RunRecord, grants: readonly Grant[], node: number | undefined): void {
    // A run without an owner waits in the store, as a parked one does.
    const parked = node === undefined;
    const lifecycle = parked ? 'queued' : 'active';
    const epoch = parked ? 0 : 1;
    const owner = node ?? NOBODY;
    const { lastInsertRowid } = this.#sql
      .prepared(
        `INSERT INTO runs (id, tenant, parent, lifecycle, control, epoch, inbox_seq, checkpoint, parked, claimed_era, created_at)
       VALUES (?, ?, ?, ?, 'none', ?, 0, 0, ?, ?, ?)`,
      )
      .run(record.id, record.tenant, record.parent?.run ?? null, lifecycle, epoch, Number(parked), owner, record.created_at);
    const n = Number(lastInsertRowid);
    const { key, version, wrapped } = this.#evidence.issue(record.tenant, record.id);
    const sealed = this.#evidence.seal(key, PLACE.record(record.id), [JSON.stringify(record)], { tenant: record.tenant, n, seq: 0 });
    this.#run('INSERT INTO records (n, version, key, record) VALUES (?, ?, ?, ?)', n, version, wrapped, sealed);
    for (const grant of grants) this.#putGrant(grant);
    this.#remember(record.id, {
      n,
      tenant: record.tenant,
      key,
      epoch,
      seq: 0,
      hash: NO_HASH,
    });
  }

  readonly claim = (...of: Parameters<Claims['claim']>): ReturnType<Claims['claim']> => this.#claims.claim(...of);
  readonly take = (...of: Parameters<Claims['take']>): Taken => this.#claims.take(...of);
  readonly park = (...of: Parameters<Claims['park']>): boolean => this.#claims.park(...of);
  readonly wakeable = (...of: Parameters<Claims['wakeable']>): RunId[] => this.#claims.wakeable(...of);
  readonly resident = (after: RunId | undefined, limit: number): RunId[] => this.#claims.resident(after, limit);

  readonly parkedOn = (waiting: RunStatus['waiting']): RunId[] => queries.parkedOn(this.#sql, waiting);

  readonly ids = (filter: RunFilter): RunId[] => queries.ids(this.#sql, filter);
  readonly holding = (node: number): RunId[] => queries.held(this.#sql, [node], undefined, -1);
  readonly mail = (node: number): { run: RunId; last: number }[] => queries.mail(this.#sql, node);
  readonly nextDue = (): number | undefined => queries.nextDue(this.#sql);
  readonly orphans = (): RunId[] => queries.orphans(this.#sql);

  readonly quarantined = (after: RunId | undefined, limit: number): RunId[] => queries.quarantined(this.#sql, after, limit);
  readonly descendants = (run: RunId): RunId[] => queries.descendants(this.#sql, run);
  readonly isShared = (grant: GrantId): boolean => queries.isShared(this.#sql, grant);

  readonly revoked = (among: readonly GrantId[]): GrantId[] => queries.revoked(this.#sql, among);

  revoke(grant: GrantId, by: string, reason: string, at: number): boolean {
    const known = queries.revoke(this.#sql, grant, by, reason, at);
    if (known) this.#log.due({ kind: 'revoked', grant });
    return known;
  }

  quarantine(run: RunId, reason: string): void {
    this.#heads.delete(run);
    this.#run("UPDATE runs SET control = 'quarantined', damage = ?, parked = 1 WHERE id = ?", reason, run);
  }

  bury(run: RunId, outcome: Outcome, at: number): RunId[] {
    const n = this.#evidence.bury(run, outcome, at);
    const told = new Told(at);
    if (n === undefined) return told.answered;
    this.#forget(run, n, { outcome, label: undefined }, told);
    this.#log.buried(n);
    return told.answered;
  }

  readonly seen = (limit: number): { fact: string; value: number }[] => queries.seen(this.#sql, limit);

  readonly noteSeen = (fact: string, value: number): void =>
    this.#run('INSERT INTO seen (fact, value) VALUES (?, ?) ON CONFLICT (fact) DO UPDATE SET value = excluded.value', fact, value);

  readonly quarantines = (): Quarantine[] => queries.quarantines(this.#sql);

  putQuarantine({ kind, tenant, name, by, reason, at }: Quarantine): void {
    const sql = 'INSERT INTO quarantines (kind, tenant, name, by, reason, at) VALUES (?, ?, ?, ?, ?, ?)';
    this.#run(sql, kind, tenant ?? null, name, by, reason, at);
    this.#log.due({ kind: 'quarantined', of: kind, tenant: tenant ?? null, name, by, reason, at });
  }

  liftQuarantine(kind: QuarantineKind, name: string, by: string, at: number, tenant?: string): void {
    const sql = 'UPDATE quarantines SET lifted_by = ?, lifted_at = ? WHERE kind = ? AND name = ? AND tenant IS ? AND lifted_at IS NULL';
    const lifted = this.#sql.run(sql, by, at, kind, name, tenant ?? null);
    if (lifted > 0) this.#log.due({ kind: 'lifted', of: kind, tenant: tenant ?? null, name, by, at });
  }

  commit(commit: Commit): CommitResult {
    const { run, epoch, entry, status } = commit;
    const { seq, at, cpu_us } = entry;
    const { head, standing } = this.#standing(run);
    if (standing.epoch !== epoch || head.seq !== seq - 1 || standing.lifecycle === 'ended' || standing.parked === 1) {
      throw new CorralError(
        'CORRAL_EPOCH_STALE',
        `Entry ${seq} of ${run} under epoch ${epoch} was refused: the run is at entry ${head.seq}, epoch ${standing.epoch}, ${standing.lifecycle}.`,
      );
    }
    if (standing.lease === 0) {
      const message = `Entry ${seq} of ${run} was refused: node ${standing.owner}, which holds it, counts as dead.`;
      throw new CorralError('CORRAL_LEASE_LOST', message);
    }
    // Before anything is written: one that is refused leaves nothing.
    const counted = queries.counted(this.#sql, commit.uses);
    const body = this.#evidence.seal(head.key, PLACE.entry(run, seq), entryTexts(entry), { tenant: head.tenant, n: head.n, seq });
    const hash = chain(head.hash, run, { seq, at, cpu_us, waiting: status.waiting, body });
    const insert = 'INSERT INTO journal (run, seq, at, cpu_us, waiting, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?)';
    this.#run(insert, head.n, seq, at, cpu_us, status.waiting, hash, body);
    this.#nodes.entry(standing.owner, at);
    head.seq = seq;
    head.hash = hash;
    if (status.lifecycle !== standing.lifecycle || status.control !== standing.control) {
      const outcome = status.outcome === undefined ? null : this.#evidence.outcome({ id: run, ...head }, head.key, status.outcome);
      this.#run(
        'UPDATE runs SET lifecycle = ?, control = ?, outcome_kind = ?, outcome = ?, ended_at = ?, end_hash = ? WHERE n = ?',
        status.lifecycle,
        status.control,
        status.outcome?.kind ?? null,
        outcome,
        status.ended_at ?? null,
        status.lifecycle === 'ended' ? hash : null,
        head.n,
      );
    }
    const asking = status.waiting === 'approval' || status.waiting === 'resolution';
    if (asking !== (standing.asking === 1)) this.#run('UPDATE runs SET asking = ? WHERE n = ?', Number(asking), head.n);
    if (standing.attempts > 0) this.#run('UPDATE runs SET attempts = 0 WHERE n = ?', head.n);
    if (entry.event?.kind === 'checkpoint') this.#run('UPDATE runs SET checkpoint = ? WHERE n = ?', seq, head.n);
    if (commit.consumed !== undefined) this.#run('DELETE FROM inbox WHERE run = ? AND seq = ?', head.n, commit.consumed);
    for (const id of commit.answered ?? []) this.#run('DELETE FROM inbox WHERE run = ? AND seq = ?', head.n, -id);
    for (const record of commit.spawned) this.admit(record, [], standing.owner);
    for (const grant of commit.grants) this.#putGrant(grant);
    for (const state of counted) queries.putCounted(this.#sql, state);
    for (const grant of commit.revoked) {
      this.#run('UPDATE grants SET revoked = 1 WHERE id = ?', grant);
      this.#log.due({ kind: 'revoked', grant });
    }
    if (commit.spend !== undefined) postSpend(this.#sql, commit.spend);
    if (commit.quarantine !== undefined) this.putQuarantine(commit.quarantine);
    for (const id of commit.timersDone) this.#run('DELETE FROM timers WHERE run = ? AND id = ?', head.n, id);
    // INSERT OR REPLACE: after an approval a call may have a later deadline than before.
    for (const { id, due } of commit.timers) this.#run('INSERT OR REPLACE INTO timers (run, id, due) VALUES (?, ?, ?)', head.n, id, due);
    const told = new Told(at);
    const delivered = this.#post.sendAll(run, head, commit.outbox, told);
    if (status.lifecycle === 'ended') this.#forget(run, head.n, { outcome: status.outcome, label: commit.label }, told);
    return { ...told.result(delivered), ...(counted.length === 0 ? {} : { counted }) };
  }

  keep(run: RunId, epoch: number, results: readonly Result[]): void {
    const { head, standing } = this.#standing(run);
    // Nothing is stored for a node that does not hold the run any more.
    if (standing.epoch === epoch && standing.parked === 0 && standing.lifecycle !== 'ended' && standing.lease !== 0)
      this.#post.keep(run, head, results);
  }

  readonly spend = (filter: SpendFilter): AccountDay[] => spendOf(this.#sql, filter);
  readonly forgetSpend = (before: string): number => forgetSpend(this.#sql, before);

  /** A transaction was rolled back, so cached state may be wrong: drops it. */
  doubt(): void {
    this.#heads.clear();
    this.#log.doubt();
    this.#nodes.doubt();
  }

  run(run: RunId): StoredRun | undefined {
    const row = this.#get<RunRow>(`${SELECT_RUN} WHERE id = ?`, run);
    return row && refused(() => this.#stored(row));
  }

  runs(filter: RunFilter): StoredRun[] {
    const { where, values } = queries.matching(filter);
    const limit = filter.limit ?? queries.LIST_LIMIT;
    const found: StoredRun[] = [];
    for (let last = 0; found.length < limit;) {
      const wanted = limit - found.length;
      const rows = this.#sql
        .prepared(`${SELECT_RUN} WHERE runs.n > ? AND ${where} ORDER BY runs.n LIMIT ?`)
        .all(last, ...values, wanted) as unknown as RunRow[];
      // A run that cannot be opened is left out, so that the others are listed; reading it, or verifying, reports what is wrong.
      for (const row of rows) {
        try {
          found.push(this.#stored(row));
        } catch (error) {
          if (!(error instanceof Broken)) throw error;
        }
        last = row.n;
      }
      if (rows.length < wanted) break;
    }
    return found;
  }

  replayPage(run: RunId, after: number): ReplayPage {
    return queries.replayPage(this.journal(run, after, MACHINE.replay_entries.default), after);
  }

  journal(run: RunId, after = 0, limit = Number.POSITIVE_INFINITY): Entry[] {
    return this.#evidence.journal(run, after, limit);
  }

  inbox(run: RunId, after = 0): InboxItem[] {
    return this.#evidence.inbox(run, after);
  }

  readonly holder = (grant: GrantId): RunId | undefined => queries.holderOf(this.#sql, grant);
  readonly grants = (run: RunId): (Grant & GrantState)[] => queries.grantsOf(this.#sql, run);

  erase(run: RunId, at: number): Erased {
    this.#heads.delete(run);
    const before = this.#evidence.custody(run)?.erased_at;
    const erased = eraseRun(this.#sql, this.#evidence, run, at);
    if (before === null) this.#log.due({ kind: 'erased', run, at });
    return erased;
  }

  readonly erasable = (run: RunId): Erased => erasable(this.#sql, run);

  /** Collects some of the garbage. */
  readonly gcStep = (now: number, wanted: Wanted): Collected => collect(this.#sql, this.#evidence, now, wanted);
  readonly tenants = (): string[] =>
    this.#sql.all<{ tenant: string }>('SELECT DISTINCT tenant FROM runs ORDER BY tenant').map(({ tenant }) => tenant);
  readonly collectable = (now: number, wanted: Wanted): Freed => collectable(this.#sql, now, wanted);

  /** Verifies one run, or some runs after the one with this number. */
  readonly verifyStep = (what: Asked): Verified => verifyStep(this.#sql, this.#evidence, what);

  /** Appends to the log what was committed. The writer calls this periodically. */
  readonly sequence = (now: number, all: boolean): ReturnType<Log['step']> => this.#log.step(now, all);
  readonly logHead = (): LogHead => this.#log.head();
  readonly verifyLog = (wanted: CheckWanted): LogVerification => checkLog(this.#sql, this.#log, this.#front, wanted);
  /** The hashes of a run's entries after one, as the API lists them. */
  readonly hashes = (run: RunId, after: number, limit: number): EntryHash[] => this.#evidence.hashes(run, after, limit);

  /** Closes what it opened itself. */
  close(): void {
    this.#front?.close();
  }

  readonly release = (run: RunId): void => this.#run('UPDATE runs SET restored = 0 WHERE id = ?', run);

  /**
   * An ended run waits for nothing: its inbox and timers are deleted. Its grants stay as a record; they are void because their
   * holder has ended.
   */
  #forget(run: RunId, n: number, end: End, told: Told): void {
    this.#post.close(run, n, end, told);
    this.#run('DELETE FROM inbox WHERE run = ?', n);
    this.#run('DELETE FROM timers WHERE run = ?', n);
    this.#heads.delete(run);
  }

  /** The key that a delivery is sealed under; undefined if the receiver has ended or its key cannot be opened. */
  #keyOf(run: RunId): Uint8Array | undefined {
    try {
      return this.#head(run).key;
    } catch (error) {
      // The sender is not at fault, and its commit must not be refused for this.
      if (error instanceof CorralError) return undefined;
      throw error;
    }
  }

  #standing(run: RunId): { readonly head: Head; readonly standing: Standing } {
    let head = this.#head(run);
    const standing = this.#get<Standing>(
      `SELECT epoch, parked, lifecycle, control, attempts, asking, claimed_era AS owner, lease
       FROM runs LEFT JOIN eras ON era = claimed_era WHERE n = ?`,
      head.n,
    ) as Standing;
    if (standing.epoch !== head.epoch) {
      this.#heads.delete(run);
      head = this.#head(run);
    }
    return { head, standing };
  }

  #head(run: RunId): Head {
    const known = this.#heads.get(run);
    if (known !== undefined) return known;
    const row = this.#get<{ epoch: number; seq: number | null; hash: Uint8Array | null } & Omit<Custody, 'end_hash'>>(
      `SELECT n, id, tenant, version, key, epoch, last.seq, last.hash, erased_at FROM runs LEFT JOIN records USING (n)
       LEFT JOIN journal AS last ON last.run = n AND last.seq = (SELECT max(seq) FROM journal WHERE run = n) WHERE id = ?`,
      run,
    );
    if (row === undefined) throw new CorralError('CORRAL_RUN_UNKNOWN', `There is no run ${run}.`);
    const { n, tenant, epoch, seq, hash } = row;
    const key = refused(() => this.#evidence.keyOf(row));
    return this.#remember(run, { n, tenant, key, epoch, seq: seq ?? 0, hash: hash ?? NO_HASH });
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
    queries.putGrant(this.#sql, grant);
  }

  /** @throws Broken, CORRAL_RUN_ERASED */
  #stored(row: RunRow): StoredRun {
    const { id } = row;
    const key = this.#evidence.keyOf(row);
    return {
      record: this.#evidence.openOne<RunRecord>(key, PLACE.record(id), row.record, id),
      status: {
        lifecycle: row.lifecycle,
        control: row.control,
        waiting: row.waiting ?? 'nothing',
        outcome:
          row.outcome === null
            ? undefined
            : this.#evidence.openOne<NonNullable<RunStatus['outcome']>>(key, PLACE.outcome(id), row.outcome, id),
        ended_at: row.ended_at ?? undefined,
      },
      epoch: row.epoch,
      seq: row.seq ?? 0,
      checkpoint: row.checkpoint,
      inbox: row.inbox_seq,
      ledger: row.ledger === null ? undefined : this.#evidence.open(key, PLACE.ledger(id), row.ledger, 1, id, 0)[0],
      parked: row.parked !== 0,
      still: row.still !== 0,
      restored: row.restored !== 0,
    };
  }

  #run(sql: string, ...values: (string | number | null | Uint8Array)[]): void {
    this.#sql.run(sql, ...values);
  }

  #get<T>(sql: string, ...values: (string | number | null | Uint8Array)[]): T | undefined {
    return this.#sql.get<T>(sql, ...values);
  }
}
