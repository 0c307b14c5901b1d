/**
 * The operations of the store port over the rows of an engine, synchronous, for engines that are at hand: writes are prepared a batch at
 * a time, before the transaction that does them begins.
 */
import type { NodeRow } from '@corral/protocol/ports/nodes';
import { CorralError } from '@corral/protocol/errors';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { Entry, RunRecord, RunStatus } from '@corral/protocol/model/run';
import type { AccountDay, SpendFilter, Usage, UsageWanted } from '@corral/protocol/model/spend';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { EntryHash } from '@corral/protocol/ports/evidence';
import type { DecidedEntry } from '@corral/protocol/ports/approvals';
import type {
  Changes,
  Commit,
  CommitResult,
  Downtime,
  InboxItem,
  ReplayPage,
  RunFilter,
  Seen,
  Serving,
  StoredRun,
  Taken,
} from '@corral/protocol/ports/store';
import type { Result } from '@corral/protocol/wire/delivery';
import { applyAdmission, applyAnswers, applyBurial, applyCommit, mustBeThere, putQuarantine } from './apply.ts';
import { changesSince, noteChange } from './changes.ts';
import { awayOf, Claims } from './claims.ts';
import type { Bundle, Engine, RunRow } from './engine.ts';
import { Broken, Evidence, refused } from './evidence.ts';
import { Nodes } from './nodes.ts';
import { PLACE } from './places.ts';
import { epochOf, Preparer } from './prepare.ts';
import { type PreparedCommit, Stale } from './prepared.ts';
import { replayPage } from './replay.ts';

/** A write that was prepared, to be done within a transaction. */
export type Act = () => unknown;

/** An operation of the port. */
export interface Operation {
  readonly op: string;
  readonly args: readonly unknown[];
}

type ParkArgs = [run: RunId, seen: Seen, deadline: number | undefined, ledger?: string, still?: boolean];

export const LIST_LIMIT = 1000;
const NO_RECORD = new Uint8Array(0);
const NOBODY_NEW: readonly RunId[] = [];

export class StoreCore {
  protected readonly evidence: Evidence;
  /** Milliseconds since 1970. */
  readonly #clock: () => number;
  readonly #engine: Engine;
  readonly #preparer: Preparer;
  readonly #nodes: Nodes;
  readonly #claims: Claims;

  /** @param clock by which leases run. Milliseconds since 1970 */
  constructor(engine: Engine, keys: KeyRing, clock: () => number) {
    this.#engine = engine;
    this.#clock = clock;
    this.#nodes = new Nodes(engine.nodes, clock);
    this.evidence = new Evidence(engine, keys);
    this.#preparer = new Preparer(engine, keys, this.evidence);
    this.#claims = new Claims(engine, this.#nodes, {
      run: (run) => this.run(run),
      forget: (run) => this.#preparer.forget(run),
    });
  }

  /**
   * Prepares operations that will be done in this order, before the transaction that does them begins: all that has to be sealed, hashed
   * or split for them is done here.
   * The payloads that they name are stored by `putPayloads`, before the transaction.
   * @returns for each, the rest of it: throws what it is refused with, before it has written anything, or Stale if it must be prepared
   * again
   */
  prepared(batch: readonly Operation[]): Act[] {
    this.#preparer.begin();
    return batch.map(({ op, args }) => {
      try {
        const prepare = this.#preparations[op] as ((...args: readonly unknown[]) => Act) | undefined;
        if (prepare !== undefined) return prepare(...args);
        const method = this[op as keyof StoreCore] as (...args: unknown[]) => unknown;
        return () => method.apply(this, [...args]);
      } catch (error) {
        return () => {
          throw error;
        };
      }
    });
  }

  /** Whether the prepared batch names payloads that are not stored yet. */
  get needsPayloads(): boolean {
    return this.#preparer.unstored.size > 0;
  }

  /**
   * Stores the payloads that the prepared batch names, in a transaction of their own. If the host crashes before the batch has taken
   * effect, no entry names them; they are collected after a grace (`payload_grace_ms`).
   */
  putPayloads(): void {
    for (const blob of this.#preparer.unstored.values()) this.#engine.blobs.put(blob, this.#clock());
  }

  /** By operation, what is done before its transaction; it returns what is done within. */
  readonly #preparations: Readonly<Record<string, (...args: never[]) => Act>> = {
    commit: (commit: Commit) => {
      const { prepared, head } = this.#preparer.commit(commit);
      return () => {
        const result = applyCommit(this.#engine, this.#nodes, prepared, head.hash);
        this.#preparer.settle(prepared, head, created(prepared, result));
        return result;
      };
    },
    admit: (record: RunRecord, grants: readonly Grant[], node: number | undefined) => {
      const run = this.#preparer.admission(record, grants, epochOf(node !== undefined));
      return () => {
        mustBeThere(this.#engine, run);
        applyAdmission(this.#engine, run, node);
        this.#preparer.admitted(record.id);
      };
    },
    keep: (run: RunId, epoch: number, results: readonly Result[]) => {
      const answers = this.#preparer.answers(run, epoch, results);
      return () => applyAnswers(this.#engine, answers);
    },
    park: (...[run, seen, deadline, ledger, still]: ParkArgs) => {
      const sealed = ledger === undefined ? null : this.#preparer.ledger(run, ledger);
      return () => this.#claims.park(run, seen, deadline, sealed, still);
    },
    bury: (run: RunId, outcome: Outcome, at: number) => {
      const burial = this.#preparer.burial(run, outcome, at);
      return () => {
        const answered = burial && applyBurial(this.#engine, burial);
        if (answered !== undefined) this.#preparer.forget(run);
        return answered ?? [];
      };
    },
  };

  /** Prepares one operation and does it, again if it has to be. */
  #do(op: string, ...args: readonly unknown[]): unknown {
    for (;;) {
      const [act] = this.prepared([{ op, args }]);
      this.putPayloads();
      try {
        return act?.();
      } catch (error) {
        if (!(error instanceof Stale)) throw error;
        this.doubt();
      }
    }
  }

  /** A transaction was rolled back, or something has changed that was prepared on: cached state may be wrong, and is dropped. */
  doubt(): void {
    this.#preparer.doubt();
    this.#nodes.doubt();
  }

  /** Drops what is cached of a run. */
  protected forget(run: RunId): void {
    this.#preparer.forget(run);
  }

  admit(record: RunRecord, grants: readonly Grant[], node: number | undefined): void {
    this.#do('admit', record, grants, node);
  }
  commit(commit: Commit): CommitResult {
    return this.#do('commit', commit) as CommitResult;
  }
  keep(run: RunId, epoch: number, results: readonly Result[]): void {
    this.#do('keep', run, epoch, results);
  }
  readonly park = (...of: ParkArgs): boolean => this.#do('park', ...of) as boolean;
  bury(run: RunId, outcome: Outcome, at: number): RunId[] {
    return this.#do('bury', run, outcome, at) as RunId[];
  }

  /** Counts an opening for writing. */
  readonly nextEra = (): number => this.#nodes.opened();
  readonly join = (name: string, now: number, lease_ms?: number): number => this.#nodes.join(name, now, lease_ms);
  readonly beat = (node: number, now: number): boolean => this.#nodes.beat(node, now);
  readonly leave = (node: number, now: number): void => this.#nodes.leave(node, now);
  /** This store is closed in order. */
  readonly retire = (): void => this.#nodes.leaveAll();
  readonly downtimes = (): readonly Downtime[] => this.#engine.nodes.downtimes();

  readonly claim = (...of: Parameters<Claims['claim']>): ReturnType<Claims['claim']> => this.#claims.claim(...of);
  readonly take = (...of: Parameters<Claims['take']>): Taken => this.#claims.take(...of);
  readonly wakeable = (...of: Parameters<Claims['wakeable']>): readonly RunId[] => this.#claims.wakeable(...of);
  readonly resident = (after: RunId | undefined, limit: number): readonly RunId[] => this.#claims.resident(after, limit);
  readonly parkedOn = (waiting: RunStatus['waiting']): readonly RunId[] => this.#engine.runs.parkedOn(waiting);
  readonly parkedForPeople = (): ReturnType<Engine['runs']['parkedForPeople']> => this.#engine.runs.parkedForPeople();
  readonly ids = (filter: RunFilter): readonly RunId[] => this.#engine.runs.ids(filter);
  readonly holding = (node: number): readonly RunId[] => this.#engine.runs.held([node], undefined, undefined);
  readonly revoked = (among: readonly GrantId[]): readonly GrantId[] => this.#engine.grants.revoked(among);
  readonly mail = (node: number): readonly { readonly run: RunId; readonly last: number }[] => this.#engine.inbox.mail(node);
  readonly nextDue = (): number | undefined => this.#engine.timers.next();
  readonly orphans = (): readonly RunId[] => this.#engine.runs.orphans();
  readonly quarantined = (after: RunId | undefined, limit: number): readonly Pick<RunRecord, 'id' | 'tenant'>[] =>
    this.#engine.runs.quarantined(after, limit);
  readonly descendants = (run: RunId): readonly RunId[] => this.#engine.runs.descendants(run);
  readonly release = (run: RunId): void => this.#engine.runs.release(run);

  readonly isShared = (grant: GrantId, besides: readonly RunId[] = []): boolean => this.#engine.grants.isShared(grant, besides);
  readonly holder = (grant: GrantId): RunId | undefined => this.#engine.grants.holder(grant);
  readonly grants = (run: RunId): readonly (Grant & GrantState)[] => this.#engine.grants.of(run);
  revoke(grant: GrantId, by: string, reason: string, at: number): boolean {
    const known = this.#engine.grants.revokeFor(grant, by, reason, at);
    if (!known) return false;
    this.#engine.log.due({ kind: 'revoked', grant });
    noteChange(this.#engine.registry, 'revoked', grant);
    return true;
  }

  deploy(bundle: Bundle, versions: readonly AgentVersion[]): void {
    this.#engine.registry.deploy(bundle, versions);
  }
  readonly version = (version: Digest): AgentVersion | undefined => this.#engine.registry.version(version);
  readonly agents = (bundle: Digest): readonly AgentVersion[] => this.#engine.registry.agents(bundle);
  readonly bundle = (digest: Digest): string | undefined => this.#engine.registry.source(digest);
  readonly sourceMap = (digest: Digest): string | undefined => this.#engine.registry.sourceMap(digest);
  readonly services = (): readonly Serving[] => this.#engine.registry.services();
  /** @throws CORRAL_SERVICE_TAKEN */
  serve(serving: Serving): void {
    if (this.#engine.registry.serve(serving)) return noteChange(this.#engine.registry, 'services');
    const { name, tenant, owner } = serving;
    const other = owner === undefined ? 'one without an owner' : `that of ${owner}`;
    throw new CorralError('CORRAL_SERVICE_TAKEN', `The service ${name} of ${tenant} belongs to another bundle than ${other}.`);
  }
  readonly instance = (id: string): RunId | undefined => this.#engine.requests.instance(id)?.run;
  readonly seen = (limit: number): readonly { readonly fact: string; readonly value: number }[] => this.#engine.registry.seen(limit);
  readonly noteSeen = (fact: string, value: number): void => this.#engine.registry.noteSeen(fact, value);

  readonly changesSince = (version: number | undefined): Changes => changesSince(this.#engine.registry, version);
  readonly quarantines = (): readonly Quarantine[] => this.#engine.registry.quarantines();
  putQuarantine(quarantine: Quarantine): void {
    putQuarantine(this.#engine, quarantine);
  }
  liftQuarantine(kind: QuarantineKind, name: string, by: string, at: number, tenant?: string, until?: number): void {
    const lifted = this.#engine.registry.liftQuarantine(kind, name, by, at, tenant, until);
    if (!lifted) return;
    this.#engine.log.due({ kind: 'lifted', of: kind, tenant: tenant ?? null, name, by, at });
    noteChange(this.#engine.registry, 'quarantines');
  }
  quarantine(run: RunId, reason: string): void {
    this.#preparer.forget(run);
    this.#engine.runs.quarantine(run, reason);
  }

  readonly spend = (filter: SpendFilter): readonly AccountDay[] => this.#engine.accounts.days(filter);
  readonly nodes = (most: number): readonly NodeRow[] => this.#nodes.all(most);
  readonly decisions = (after: number, limit: number): readonly DecidedEntry[] => this.#engine.journal.decisions(after, limit);
  readonly usage = (wanted: UsageWanted): Usage => this.#engine.accounts.usage(wanted);
  readonly forgetSpend = (before: string): number => this.#engine.accounts.forget(before);

  run(run: RunId): StoredRun | undefined {
    const row = this.#engine.runs.row(run);
    return row && refused(() => this.#stored(row));
  }

  runs(filter: RunFilter): StoredRun[] {
    const limit = filter.limit ?? LIST_LIMIT;
    const found: StoredRun[] = [];
    for (let last = 0; found.length < limit;) {
      const wanted = limit - found.length;
      const rows = this.#engine.runs.rows(filter, last, wanted);
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
    return refused(() => replayPage(this.evidence.entries(run, after), after));
  }

  journal(run: RunId, after = 0, limit = Number.POSITIVE_INFINITY, most = Number.POSITIVE_INFINITY): Entry[] {
    return this.evidence.journal(run, after, limit, most);
  }

  inbox(run: RunId, after = 0): InboxItem[] {
    return this.evidence.inbox(run, after);
  }

  /** The hashes of a run's entries after one, as the API lists them. */
  readonly hashes = (run: RunId, after: number, limit: number): EntryHash[] => this.evidence.hashes(run, after, limit);

  /** @throws Broken, CORRAL_RUN_ERASED */
  #stored(row: RunRow): StoredRun {
    const { id } = row;
    const key = this.evidence.keyOf(row);
    const record = this.evidence.openOne<RunRecord>(key, PLACE.record(id), row.record ?? NO_RECORD, id);
    const { private_to, ...outcome } =
      row.outcome === null ? NO_OUTCOME : this.evidence.openOne<Ended>(key, PLACE.outcome(id), row.outcome, id);
    return {
      record,
      version: row.moved_to ?? record.version,
      status: {
        lifecycle: row.lifecycle,
        control: row.control,
        waiting: row.waiting ?? 'nothing',
        outcome: row.outcome === null ? undefined : (outcome as Outcome),
        ended_at: row.ended_at ?? undefined,
        ...(private_to === undefined ? {} : { private_to }),
      },
      epoch: row.epoch,
      seq: row.seq ?? 0,
      checkpoint: row.checkpoint,
      inbox: row.inbox_seq,
      ledger: row.ledger === null ? undefined : this.evidence.open(key, PLACE.ledger(id), row.ledger, 1, id, 0)[0],
      parked: row.parked,
      still: row.still,
      restored: row.restored,
      ...awayOf(this.#engine.runs, row.n),
      ...prunedOf(row),
    };
  }
}

function prunedOf({ pruned_at, pruned_seq, seq }: RunRow): Pick<StoredRun, 'pruned'> {
  if (pruned_at !== null) return { pruned: { entries: seq ?? 0, at: pruned_at } };
  return pruned_seq > 1 ? { pruned: { entries: pruned_seq - 1 } } : {};
}

/** An outcome as it is stored, with its label. */
type Ended = Outcome & Pick<RunStatus, 'private_to'>;
const NO_OUTCOME: Pick<Ended, 'private_to'> = {};

const created = ({ children }: PreparedCommit, { created: instances = NOBODY_NEW }: CommitResult): readonly RunId[] =>
  children.length === 0 ? instances : [...children.map(({ run }) => run.id), ...instances];
