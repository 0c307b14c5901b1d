/**
 * The Store port. All implementations pass the same conformance suite. Everything is durable when its promise resolves. Methods
 * reject with a CorralError.
 */
import type { Grant, GrantState } from '../model/grant.ts';
import type { Digest, GrantId, RunId, TenantId } from '../ids.ts';
import type { PendingDelivery, Result } from '../wire/delivery.ts';
import type { AgentVersion } from '../model/manifest.ts';
import type { LogHead } from '../model/log.ts';
import type { Quarantine, QuarantineKind } from '../model/quarantine.ts';
import type { Label } from '../model/label.ts';
import type { Outcome } from '../model/outcome.ts';
import type { Entry, RunRecord, RunStatus, WaitingOn } from '../model/run.ts';
import type { DecidedEntries } from './approvals.ts';
import type { NodeRow } from './nodes.ts';
import type { AccountDay, SpendChange, SpendFilter, Usage, UsageWanted } from '../model/spend.ts';
import type { BackupManifest, Collection, EntryHash, Erased, Freed, Pruned, Verification } from './evidence.ts';

/** A message or notice on its way to another run; delivered once, however often it is sent. */
export interface Outgoing {
  readonly to: RunId;
  /** Unique for each sender: `<seq>.<index>`. */
  readonly key: string;
  readonly delivery: PendingDelivery;
  /** For a message without a reply: the effect that sent it. See `unreached`. */
  readonly sent?: number;
  /** Grants for the receiver; made only if the delivery reaches it. */
  readonly grants?: readonly Grant[];
  /**
   * Set if the receiver is an instance of a service: the run of that instance, or, if there is none, this record (`to`), which
   * becomes it.
   */
  readonly instance?: Instance;
}

/** An instance of a service, as it would be created. */
export interface Instance {
  /** Digest of tenant, service and key. A digest, because keys are as confidential as payloads. */
  readonly id: string;
  /** Digest of tenant and service, for counting instances. */
  readonly of: string;
  readonly record: RunRecord;
  readonly grants: readonly Grant[];
}

/** The version of a service that a tenant's messages reach. */
export interface Serving {
  readonly tenant: TenantId;
  readonly name: string;
  readonly version: Digest;
  /** Main agent of the bundle that first deployed the service: no other bundle may replace it. Absent: not recorded. */
  readonly owner?: string;
}

/** Name of the node of a store that one process has to itself. */
export const ONLY_NODE = 'embedded';

/** A position before the first item of an inbox, answers included. */
export const ALL_OF_INBOX = Number.MIN_SAFE_INTEGER;

/** A delivery that waits in a run's inbox. */
export interface InboxItem {
  /** Negative: the answer to the effect of that number; it does not wait for a turn. */
  readonly seq: number;
  /** When it arrived. Milliseconds since 1970; absent for older deliveries. */
  readonly at?: number;
  readonly delivery: PendingDelivery;
}

/** Uses of one grant by a crank. The store counts them for all nodes, and takes no more than the grant allows. */
export interface GrantUse {
  readonly grant: GrantId;
  readonly times: number;
  /** Bytes of the arguments, of all uses together. */
  readonly bytes: number;
  /** When they were decided. Milliseconds since 1970 */
  readonly at: number;
}

/** All changes of one crank, or of one act of the host. Atomic. */
export interface Commit {
  readonly run: RunId;
  /** The lease under which the writer owns the run. */
  readonly epoch: number;
  /** Follows the run's last entry without a gap. */
  readonly entry: Entry;
  readonly status: RunStatus;
  /** For a run that this ends: its label, for those who wait for its reply. */
  readonly label?: Label;
  /** The inbox item this crank took, if its delivery was one. */
  readonly consumed: number | undefined;
  /** Calls that this settles and whose answers were kept. */
  readonly answered?: readonly number[];
  readonly outbox: readonly Outgoing[];
  readonly spawned: readonly RunRecord[];
  readonly grants: readonly Grant[];
  /** Uses that it counts, of each limited grant in the chains of those that were used. */
  readonly uses: readonly GrantUse[];
  /** Grants that it revokes. */
  readonly revoked: readonly GrantId[];
  readonly timers: readonly { readonly id: number; readonly due: number }[];
  readonly timersDone: readonly number[];
  /** Amounts it reserves, settles and returns in the accounts above the run. */
  readonly spend?: SpendChange;
  /**
   * `with-next`: nothing leaves that waits for it, so it may be written together with what comes next, at most `with_next_ms` later. It
   * is durable before anything later of its run, and before the store is closed. Left out: at once.
   */
  readonly flush?: 'now' | 'with-next';
  /** A quarantine of the agent's version, as a consequence of a denial in this crank. */
  readonly quarantine?: Quarantine;
}

export interface CommitResult {
  /** The inbox number of each outgoing item, in order; 0: the receiver has ended, -1: `mailbox_messages` wait for it already. */
  readonly delivered: readonly number[];
  /** The receivers of the items, in order, if one was for an instance of a service. */
  readonly receivers?: readonly RunId[];
  /** The grants whose uses were counted, as they stand now: others may have used them too. */
  readonly counted?: readonly (GrantState & { readonly id: GrantId })[];
  /** Instances that were created for them. */
  readonly created?: readonly RunId[];
  /** Runs whose requests were answered with an error by this: their receiver has ended, or has too many messages. */
  readonly answered?: readonly RunId[];
  /** Errors for the run about its messages that reached nobody. The store keeps it as an answer of theirs until a commit takes it out. */
  readonly unreached?: readonly Result[];
}

export interface StoredRun {
  readonly record: RunRecord;
  /** The version that it is on: that of its admission, or the one that it was upgraded to since. */
  readonly version: Digest;
  readonly status: RunStatus;
  /** The lease under which it is held, or was last; 0: nobody has held it. */
  readonly epoch: number;
  /** Number of the last journal entry; 0 before the first. */
  readonly seq: number;
  /** It came from a backup and was not held by this store before: what it did since then is unknown. */
  readonly restored: boolean;
  /** Number of the entry with the last checkpoint; 0 without one. Earlier entries are not needed to go on. */
  readonly checkpoint: number;
  /** The state given to `park`, if the journal has no later entry. */
  readonly ledger: string | undefined;
  /** Number of the last delivery in its inbox. */
  readonly inbox: number;
  /** No host holds it in memory: it is only in the store. */
  readonly parked: boolean;
  /** It was parked as a run that may not go on. */
  readonly still: boolean;
  /** Consecutive nodes that died while they held it and before it made another entry. */
  readonly attempts?: number;
  /**
   * Times in which the node that held it was dead and no other had taken it, in order: from the last sign of life of the dead node to the
   * claim. They do not overlap. Left out: there were none.
   */
  readonly away?: readonly Downtime[];
  /** Left out: all of its journal is there. */
  readonly pruned?: Pruned;
  /** In the answer of a claim with `fence`: the living node that held it. */
  readonly taken_from?: HeldElsewhere;
}

/** Part of a journal, for a cell to replay. */
export interface ReplayPage {
  /** A ReplayPayload as JSON. */
  readonly text: string;
  /** Number of its last entry; the next page follows it. */
  readonly last: number;
  readonly cranks: number;
  /** CPU time of its cranks as recorded. Microseconds. */
  readonly cpu_us: number;
  readonly more: boolean;
}

/**
 * A time in which no node was at work on this store: from the last sign of life of those before to the join of the next. Each entry
 * is a sign of life, as of when it was written. By the clocks of the nodes, in milliseconds since 1970.
 */
export interface Downtime {
  readonly from: number;
  readonly until: number;
}

/** A run as its owner has seen it last. */
export interface Seen {
  readonly epoch: number;
  /** Number of its last entry. */
  readonly seq: number;
  /** Number of the last item of its inbox. */
  readonly inbox: number;
}

/** The run is held by another node that is alive, and was not claimed. */
export interface HeldElsewhere {
  readonly holder: number;
  /** The name under which that node has joined. */
  readonly name: string;
  /** Left out: its lease does not run out. */
  readonly lease_ms?: number;
}

/** The changes, since a version, of the tables that concern all nodes. */
export interface Changes {
  /** To ask with next time. It rises with each change, in the transaction of the change. */
  readonly version: number;
  /** Quarantines were put up or lifted. */
  readonly quarantines: boolean;
  /** A service goes on with another version, or is new. */
  readonly services: boolean;
  /** Grants that were revoked; undefined: any may have been, since it was asked for more than is kept. */
  readonly revoked: readonly GrantId[] | undefined;
}

/** How many runs a node has room for. */
export interface RunRoom {
  /** All together. */
  readonly runs: number;
  /** By tenant; a tenant that is not listed has room for `each`. */
  readonly of?: Readonly<Record<string, number>>;
  /** Left out: as many as there is room for. */
  readonly each?: number;
}

export interface Taken {
  /** Held by the node from now on. */
  readonly runs: readonly StoredRun[];
  /** Runs that have something to do and cannot be opened; they are as they were. */
  readonly unreadable: readonly RunId[];
}

export interface RunFilter {
  readonly tenant?: TenantId;
  readonly ended?: boolean;
  readonly parent?: RunId;
  readonly parked?: boolean;
  /** Only runs that wait for people: for an approval, for the settlement of a call, or for an upgrade. */
  readonly asking?: true;
  /** Only runs that were admitted after this one, in the order of admission; none if there is no such run. */
  readonly after?: RunId;
  /** Only these runs; the caller limits the list. */
  readonly among?: readonly RunId[];
  readonly limit?: number;
}

export interface Store extends DecidedEntries {
  /** How often this store was opened for writing. */
  readonly era: number;
  /** Ordinary work is refused for lack of space, or soon will be. Operations that stop runs still work. Left out: the store cannot tell. */
  readonly full?: boolean;
  /** Calls back when `full` changes, and at once if it is true. Left out where `full` is. */
  onFull?(listener: (full: boolean) => void): void;
  /** Frees the reserve of a disk that others write to as well. Left out: there is none. @returns whether there was any */
  makeRoom?(): boolean;

  deploy(
    bundle: { readonly digest: Digest; readonly source: string; readonly source_map: string | undefined },
    versions: readonly AgentVersion[],
  ): Promise<void>;
  version(version: Digest): Promise<AgentVersion | undefined>;
  /** All agents of a bundle. */
  agents(bundle: Digest): Promise<readonly AgentVersion[]>;
  /** The source of a bundle. */
  bundle(digest: Digest): Promise<string | undefined>;
  /** Its source map, if its author deployed one. */
  sourceMap(digest: Digest): Promise<string | undefined>;

  /**
   * A node comes to this store. An earlier node of the same name counts as dead from now on.
   * @param now by the clock of the node. Milliseconds since 1970
   * @param lease_ms how long after its last beat the node counts as alive, by the clock of the store; left out: until it leaves, or
   * another node of its name joins
   * @returns its number, which no other node of this store has or had
   */
  join(name: string, now: number, lease_ms?: number): Promise<number>;
  /**
   * The node says that it is alive, which renews its lease.
   * @returns false if the node counts as dead; then it stays dead, and must join again
   */
  beat(node: number, now: number): Promise<boolean>;
  /** The node stops in order: what it holds did not make it crash, so the attempts of its own runs are cleared. */
  leave(node: number, now: number): Promise<void>;
  /** Times in which no node was at work, in order. A time that was told once stays as it is. */
  downtimes(): Promise<readonly Downtime[]>;

  /** Stores a run and its root grants. With a node, that node holds the run from its first moment; without, it waits in the store. */
  admit(record: RunRecord, grants: readonly Grant[], node: number | undefined): Promise<void>;
  /**
   * A node takes a run, which is then no longer parked: later commits under an older epoch are refused. A run that another living node
   * holds stays with it. A run that has ended is returned as it is.
   * @param now by the clock of the node; if the node that held the run has died, the run was `away` until then
   * @param steal `fence`: takes it from a living node too, on purpose
   * @throws CORRAL_LEASE_LOST if the node that asks counts as dead
   */
  claim(run: RunId, node: number, now: number, steal?: 'fence'): Promise<StoredRun | HeldElsewhere | undefined>;
  /**
   * Claims, in one write, runs that have something to do (see `wakeable`), at most as many as there is room for. Tenants take turns.
   * @param now which timers are due, and until when runs of dead nodes were `away`. By the clock of the node
   * @throws CORRAL_LEASE_LOST if the node counts as dead
   */
  take(node: number, room: RunRoom, now: number): Promise<Taken>;
  /**
   * Gives up the lease of a run, if its journal and its inbox are as the owner has seen them: a compare-and-set
   * (ARCHITECTURE.md, "Residence, parking and revival").
   * @param ledger the host's state of the run, returned by the next claim; a cache of its journal
   * @param deadline when it must be woken at the latest. Milliseconds since 1970
   * @param still whether it may not go on: then deliveries do not make it wakeable
   * @returns whether it is parked now
   */
  park(run: RunId, seen: Seen, deadline: number | undefined, ledger?: string, still?: boolean): Promise<boolean>;
  /**
   * Runs that nobody holds, that are neither paused nor quarantined nor `still`, and that have something to do at `now`: not begun, a
   * delivery in the inbox, a timer that is due; and all runs of dead nodes. Tenants take turns; runs that only have to begin come last.
   * @param except tenants to leave out
   */
  wakeable(now: number, limit: number, except?: readonly TenantId[]): Promise<readonly RunId[]>;
  /** Runs of dead nodes that have not ended, in the order of admission. */
  resident(after: RunId | undefined, limit: number): Promise<readonly RunId[]>;
  /** Runs that a node holds. */
  holding(node: number): Promise<readonly RunId[]>;
  /** Runs that a node holds and that have deliveries in their inbox, each with the number of the last one. */
  mail(node: number): Promise<readonly { readonly run: RunId; readonly last: number }[]>;
  /** Like `runs`, including runs that cannot be read, in the order of admission. */
  ids(filter: RunFilter): Promise<readonly RunId[]>;
  /** Parked runs that have not ended and wait for this, in the order of admission. One without entries waits for nothing. */
  parkedOn(waiting: WaitingOn): Promise<readonly RunId[]>;
  /** How many parked runs that have not ended wait for people, by what they wait for. It costs as much as there are of these, and no more. */
  parkedForPeople(): Promise<Readonly<Partial<Record<WaitingOn, number>>>>;
  /** When the first timer of a parked run is due that is neither paused nor quarantined nor `still`. */
  nextDue(): Promise<number | undefined>;
  /** Runs that have not ended although their parent has. */
  orphans(): Promise<readonly RunId[]>;
  /** Parked runs that a quarantine stops, in the order of admission; without those that `quarantine` has stopped. */
  quarantined(after: RunId | undefined, limit: number): Promise<readonly Pick<RunRecord, 'id' | 'tenant'>[]>;
  /** Descendants of a run that have not ended, at any depth, also below runs that have ended. */
  descendants(run: RunId): Promise<readonly RunId[]>;
  /** Whether another run that has not ended, besides these, holds a grant derived from this one that was not revoked, itself or above. */
  isShared(grant: GrantId, besides?: readonly RunId[]): Promise<boolean>;
  /** Revokes a grant, and so all that was derived from it. The first person and reason are kept. @returns whether the grant exists */
  revoke(grant: GrantId, by: string, reason: string, at: number): Promise<boolean>;
  /** Those of these grants that are marked as revoked themselves. */
  revoked(among: readonly GrantId[]): Promise<readonly GrantId[]>;
  /**
   * Says which of quarantines, services and grants any node has changed, so that a node that follows reads only those. Versions and bundles
   * are not among them: they never change under their digest.
   * @param version of an earlier answer. Left out, or older than the changes that are kept (`registry_changes`): everything counts as changed
   */
  changesSince(version: number | undefined): Promise<Changes>;
  /** Stops a run whose journal cannot be read, without writing to that journal. */
  quarantine(run: RunId, reason: string): Promise<void>;
  /** The facts that were noted last, at most this many, the oldest of them first. Age counts from when a fact was first noted. */
  seen(limit: number): Promise<readonly { readonly fact: string; readonly value: number }[]>;
  noteSeen(fact: string, value: number): Promise<void>;
  /** Quarantines in force. */
  quarantines(): Promise<readonly Quarantine[]>;
  putQuarantine(quarantine: Quarantine): Promise<void>;
  /**
   * @param tenant the same as when it was put up
   * @param until when the last one was put up that is known to the node; one that another node has put up later stands. Left out: all
   */
  liftQuarantine(kind: QuarantineKind, name: string, by: string, at: number, tenant?: string, until?: number): Promise<void>;
  /**
   * Ends a run whose journal cannot be read, without writing to that journal.
   * @returns runs whose requests were answered with an error by this
   */
  bury(run: RunId, outcome: Outcome, at: number): Promise<readonly RunId[]>;
  /** Services that can be written to. */
  services(): Promise<readonly Serving[]>;
  /**
   * Makes new instances of this version from now on.
   * @throws CORRAL_SERVICE_TAKEN if another bundle owns the name, also where this one names no owner
   */
  serve(serving: Serving): Promise<void>;
  /** The run of an instance, or the last one it had. */
  instance(id: string): Promise<RunId | undefined>;
  /**
   * Appends one entry with all its consequences. Commits of one run take effect in the order of the calls.
   * It must not resolve or reject in the caller's own turn, microtasks included: a kill that comes in the same turn still stops what waits
   * for the commit.
   * @throws CORRAL_EPOCH_STALE if another owner holds the run, CORRAL_LEASE_LOST if the one that holds it counts as dead,
   * CORRAL_SPENT_ELSEWHERE if a grant has fewer uses or bytes left than it counts, or an account would pass one of its `limits`,
   * CORRAL_DISK_FULL; nothing of it has happened then
   */
  commit(commit: Commit): Promise<CommitResult>;
  /**
   * Keeps answers to calls of a run, each once, until a commit includes it (`answered`). Nothing is kept if the run has ended, is
   * parked, or has another epoch, or if the node that holds it counts as dead.
   */
  keep(run: RunId, epoch: number, results: readonly Result[]): Promise<void>;

  run(run: RunId): Promise<StoredRun | undefined>;
  runs(filter: RunFilter): Promise<readonly StoredRun[]>;
  /**
   * The entries after `after`, each checked against the hash chain.
   * @param most no more entries follow once their deliveries and effects have this many characters
   * @throws CORRAL_JOURNAL_DAMAGED, naming the run and the entry; CORRAL_RUN_ERASED; CORRAL_JOURNAL_PRUNED
   */
  journal(run: RunId, after?: number, limit?: number, most?: number): Promise<readonly Entry[]>;
  /** The cranks of a journal after an entry, as many as are replayed at a time. */
  replayPage(run: RunId, after: number): Promise<ReplayPage>;
  /** Deliveries that wait for a run after an item; with `ALL_OF_INBOX`, also the kept answers to its calls. */
  inbox(run: RunId, after?: number): Promise<readonly InboxItem[]>;
  /** The run that holds a grant; undefined if there is no such grant. */
  holder(grant: GrantId): Promise<RunId | undefined>;
  /** The grants a run holds, each with its whole chain. */
  grants(run: RunId): Promise<readonly (Grant & GrantState)[]>;

  /**
   * Deletes the contents of a run: destroys its key, and all plain data about it, the predicates of its grants included, which are revoked
   * for that. Its hash chain stays.
   * @param at milliseconds since 1970
   * @throws CORRAL_RUN_STATE while it has not ended, or a run that has not ended holds a grant that was derived from one of its; CORRAL_RUN_UNKNOWN
   */
  erase(run: RunId, at: number): Promise<Erased>;
  /** Counts the data that `erase` would delete; throws the same errors. */
  erasable(run: RunId): Promise<Erased>;
  /** Verifies the evidence of a run, of a tenant, or of all. */
  verify(run?: RunId, tenant?: TenantId, head?: LogHead): Promise<Verification>;
  /** Size and root of the log of this store's record, including everything committed so far. */
  logHead(): Promise<LogHead>;
  /** The hashes of a run's entries after one. */
  hashes(run: RunId, after: number, limit: number): Promise<readonly EntryHash[]>;
  /**
   * Deletes the contents of erased runs, and of journals whose tenant's retention has passed, in small steps. Hashes stay. A run that goes on,
   * and the last run of an instance unless that was killed, keep their entries from the last checkpoint on.
   * @param wanted how long journals of ended runs are kept, by tenant (a tenant without an entry keeps them), and the only tenant
   * to collect. Left out: all, with the retention that the store was opened with
   */
  gc(now: number, wanted?: Collection): Promise<Freed>;
  /** Counts the data that `gc` would delete. */
  collectable(now: number, wanted?: Collection): Promise<Freed>;
  /** Amounts that accounts spent and have reserved: the newest day first, then by tenant, its own account before those of its agents. */
  spend(filter: SpendFilter): Promise<readonly AccountDay[]>;
  /** Sums what was spent by tenant, agent, person or tool, and by the day or month. */
  usage(wanted: UsageWanted): Promise<Usage>;
  /** Nodes that are at work, hold runs, or were at work within a day; those at work first, then the latest. At most `most`. */
  nodes(most: number): Promise<readonly NodeRow[]>;
  /** Deletes days before one. @returns how many rows */
  forgetSpend(before: string): Promise<number>;
  /** Records that a person has looked at a restored run, which may go on now. */
  release(run: RunId): Promise<void>;
  /**
   * Copies all data of the folder, as of one moment, into a folder that is empty or does not exist, while work goes on. Keys are
   * not included.
   * @throws CORRAL_FOLDER_NOT_EMPTY, CORRAL_DISK_FULL
   */
  backup(to: string, at: number): Promise<BackupManifest>;

  /** Waits for earlier calls, then closes; the nodes that joined here leave. Calls after that reject with CORRAL_STOPPING. */
  close(): Promise<void>;
}
