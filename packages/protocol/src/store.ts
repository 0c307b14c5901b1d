/**
 * The Store port: where runs live. One embedded implementation and one for many machines pass the same conformance suite.
 * Everything here is durable when its promise resolves. Methods reject with a CorralError.
 */
import type { Grant, GrantState } from './grant.ts';
import type { Digest, GrantId, RunId, TenantId } from './ids.ts';
import type { PendingDelivery, Result } from './delivery.ts';
import type { AgentVersion } from './manifest.ts';
import type { LogHead, LogVerification } from './log.ts';
import type { Quarantine, QuarantineKind } from './quarantine.ts';
import type { Label } from './label.ts';
import type { Outcome } from './outcome.ts';
import type { Entry, RunRecord, RunStatus, WaitingOn } from './run.ts';
import type { AccountDay, SpendChange, SpendFilter } from './spend.ts';

/** A message or notice on its way to another run; seen once however often it is handed over. */
export interface Outgoing {
  readonly to: RunId;
  /** Unique a sender: `<seq>.<index>`. */
  readonly key: string;
  readonly delivery: PendingDelivery;
  /** Of a message that wants no reply: the effect that sent it. See `unreached`. */
  readonly sent?: number;
  /** Made for the receiver with it, and only if it gets there. */
  readonly grants?: readonly Grant[];
  /** It is for an instance of a service: for the run that is that now, or else for this one (`to`), which becomes it. */
  readonly instance?: Instance;
}

/** An instance of a service, as it would be made. */
export interface Instance {
  /** Of tenant, service and key, as a digest: keys are what payloads are. */
  readonly id: string;
  /** Of tenant and service, likewise: what is counted together. */
  readonly of: string;
  readonly record: RunRecord;
  readonly grants: readonly Grant[];
}

/** Which version of a service a tenant's messages reach. */
export interface Serving {
  readonly tenant: TenantId;
  readonly name: string;
  readonly version: Digest;
  /** Main agent of the bundle that first brought the service: no other bundle replaces it. Absent: nobody was noted. */
  readonly owner?: string;
}

/** Before the first item of an inbox, and before the answers in it. */
export const ALL_OF_INBOX = Number.MIN_SAFE_INTEGER;

/** A delivery that waits in a run's inbox. */
export interface InboxItem {
  /** Below 0: the answer of a call, which is numbered by that; it is nobody's turn. */
  readonly seq: number;
  /** When it came, in milliseconds since 1970; absent of what came before this was kept. */
  readonly at?: number;
  readonly delivery: PendingDelivery;
}

/** Everything one crank, or one host event, changes: all of it or nothing. */
export interface Commit {
  readonly run: RunId;
  /** The lease under which the writer holds the run. */
  readonly epoch: number;
  /** Follows the run's last entry without a gap. */
  readonly entry: Entry;
  readonly status: RunStatus;
  /** Of a run that this ends: what it knew, for whoever waits for its reply. */
  readonly label?: Label;
  /** The inbox item this crank took, if its delivery was one. */
  readonly consumed: number | undefined;
  /** Calls that this settles and of which an answer was kept. */
  readonly answered?: readonly number[];
  readonly outbox: readonly Outgoing[];
  readonly spawned: readonly RunRecord[];
  readonly grants: readonly Grant[];
  /** Grants whose count or revocation changed. */
  readonly grantStates: readonly (GrantState & { readonly id: GrantId })[];
  readonly timers: readonly { readonly id: number; readonly due: number }[];
  readonly timersDone: readonly number[];
  /** What it reserves, settles and returns of the accounts above the run. */
  readonly spend?: SpendChange;
  /** What a denial of this crank puts up against the version of its agent. */
  readonly quarantine?: Quarantine;
}

export interface CommitResult {
  /** The inbox number each outgoing item got, in order; 0 where the receiver has ended, -1 where `mailbox_messages` wait for it. */
  readonly delivered: readonly number[];
  /** Who the items went to, in order, where one of them was for an instance of a service. */
  readonly receivers?: readonly RunId[];
  /** Instances that were made for them. */
  readonly created?: readonly RunId[];
  /** Runs whose requests got an error for a reply by this: their receiver has ended, or takes no more. */
  readonly answered?: readonly RunId[];
  /** What the run is told of its messages that reached nobody. The store keeps it as an answer of theirs until a commit takes it out. */
  readonly unreached?: readonly Result[];
}

export interface StoredRun {
  readonly record: RunRecord;
  readonly status: RunStatus;
  readonly epoch: number;
  /** Number of the last journal entry; 0 before the first. */
  readonly seq: number;
  /** It came out of a backup and was not held by this store before: what it did since then is not known. */
  readonly restored: boolean;
  /** Number of the entry with the last checkpoint; 0 without one. What came before it is not needed to go on. */
  readonly checkpoint: number;
  /** What `park` was given, if nothing has been written to the journal since. */
  readonly ledger: string | undefined;
  /** Number of the last delivery that its inbox was given. */
  readonly inbox: number;
  /** Nobody holds it in memory: it lives in the store alone. */
  readonly parked: boolean;
  /** It was parked as one that may not go on. */
  readonly still: boolean;
  /** Hosts that died, one after the other, while they held it and before it made another entry. */
  readonly attempts?: number;
}

/** Part of a journal, as a cell is given it to replay. */
export interface ReplayPage {
  /** A ReplayPayload as JSON. */
  readonly text: string;
  /** Number of its last entry; the next page follows it. */
  readonly last: number;
  readonly cranks: number;
  /** CPU time that its cranks took when they were recorded. */
  readonly cpu_us: number;
  readonly more: boolean;
}

/** From when until when a host was at work on this store, in milliseconds since 1970. */
export interface Era {
  readonly era: number;
  readonly from: number;
  /** The last sign of life. */
  readonly until: number;
}

export interface RunFilter {
  readonly tenant?: TenantId;
  readonly ended?: boolean;
  readonly parent?: RunId;
  readonly parked?: boolean;
  /** Only those that wait for people: for an approval, or for a word on what came of a call. */
  readonly asking?: true;
  /** Only runs that were admitted after this one, in the order of admission. */
  readonly after?: RunId;
  /** Only of these; a list that its caller bounds. */
  readonly among?: readonly RunId[];
  readonly limit?: number;
}

/** What is wrong with a run's evidence, named by the first entry where it shows. */
export interface Damage {
  readonly run: RunId;
  /** 0: the record that the run was admitted with. */
  readonly entry: number;
  readonly problem: 'record' | 'gap' | 'hash' | 'sealed' | 'payload' | 'bundle' | 'pages';
  readonly message: string;
}

/** Where a chain has got to: a number of an entry, and its hash in hex. */
export interface EntryHash {
  readonly seq: number;
  readonly hash: string;
}

export interface Verification {
  readonly runs: number;
  readonly entries: number;
  /** Entries whose content was pruned or erased; the chain still went through them. */
  readonly forgotten: number;
  /** At most one for each run. */
  readonly damaged: readonly Damage[];
  /** What the record says, held against what there is. */
  readonly log: LogVerification;
}

/** Which garbage is collected. */
export interface Collection {
  readonly retention_ms?: Readonly<Record<string, number>> | undefined;
  readonly tenant?: TenantId | undefined;
}

/** What collecting garbage freed. */
export interface Freed {
  readonly runs: number;
  readonly entries: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** What erasing a run makes unreadable, and what it deletes. */
export interface Erased {
  readonly run: RunId;
  /** Entries that nothing opens any more; the next collection takes their bytes away. */
  readonly entries: number;
  /** Large payloads that no other run refers to. */
  readonly blobs: number;
  readonly bytes: number;
}

/** One database of a backup. */
export interface BackupFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of the file. */
  readonly digest: Digest;
}

export interface BackupManifest {
  readonly format: 2;
  readonly era: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** All files together. */
  readonly bytes: number;
  /** The databases, all as of the same moment. */
  readonly files: readonly BackupFile[];
  /** SHA-256 of all of the above as canonical JSON. */
  readonly digest: Digest;
}

export interface Store {
  /** Counts how often this store was opened for writing. */
  readonly era: number;
  /** Ordinary work is refused for want of space, or soon will be. What stops runs still goes through. */
  readonly full?: boolean;

  deploy(
    bundle: { readonly digest: Digest; readonly source: string; readonly source_map: string | undefined },
    versions: readonly AgentVersion[],
  ): Promise<void>;
  version(version: Digest): Promise<AgentVersion | undefined>;
  /** All agents of a bundle. */
  agents(bundle: Digest): Promise<readonly AgentVersion[]>;
  /** The source of a bundle. */
  bundle(digest: Digest): Promise<string | undefined>;
  /** Its source map, where its author handed one in. */
  sourceMap(digest: Digest): Promise<string | undefined>;

  /** Writes down a run and its root grants. `claim` takes the first lease in the same write. */
  admit(record: RunRecord, grants: readonly Grant[], claim: boolean): Promise<void>;
  /** Takes the lease of a run and takes it out of parking: later appends under an older epoch are refused. */
  claim(run: RunId): Promise<StoredRun | undefined>;
  /**
   * Gives the lease of a run up, if nothing has come for it in the meantime: a compare-and-set on epoch and inbox (DESIGN 3.6).
   * @param inbox number of the last inbox item the owner has seen
   * @param ledger what the host knows of it, to be given back with the next claim; a cache of what its journal says
   * @param deadline when it must be woken at the latest, in milliseconds since 1970
   * @param still whether it may not go on: then nothing that comes for it makes it one of those to be woken
   * @returns whether it is parked now
   */
  park(run: RunId, epoch: number, inbox: number, deadline: number | undefined, ledger?: string, still?: boolean): Promise<boolean>;
  /**
   * Parked runs that are not paused and have something to do at `now`: not begun, a delivery in the inbox, a timer that is due.
   * Tenants take turns.
   * @param except tenants of which none is wanted
   */
  wakeable(now: number, limit: number, except?: readonly TenantId[]): Promise<readonly RunId[]>;
  /** Runs that are not parked and have not ended, in the order of admission: at a start, those that the host before held. */
  resident(after: RunId | undefined, limit: number): Promise<readonly RunId[]>;
  /** Runs as `runs` finds them, those that cannot be read among them, in the order of admission. */
  ids(filter: RunFilter): Promise<readonly RunId[]>;
  /** Parked runs that have not ended and wait for this, in the order of admission. */
  parkedOn(waiting: WaitingOn): Promise<readonly RunId[]>;
  /** When the first timer of a parked run is due. */
  nextDue(): Promise<number | undefined>;
  /** Runs whose parent has ended without them. */
  orphans(): Promise<readonly RunId[]>;
  /** Parked runs that a quarantine keeps still, in the order of admission; those that cannot be read are not among them. */
  quarantined(after: RunId | undefined, limit: number): Promise<readonly RunId[]>;
  /** Descendants of a run that have not ended, at any depth, below runs that have ended too. */
  descendants(run: RunId): Promise<readonly RunId[]>;
  /** Whether another run that has not ended holds a grant derived from this one. */
  isShared(grant: GrantId): Promise<boolean>;
  /**
   * Takes back a grant, and so all that was derived from it, with who did it and why. Once it was taken back, that stays.
   * @returns whether there is such a grant
   */
  revoke(grant: GrantId, by: string, reason: string, at: number): Promise<boolean>;
  /** Stops a run whose journal cannot be read, without writing to it. */
  quarantine(run: RunId, reason: string): Promise<void>;
  /** What agents were seen to do, the newest last, at most so many. */
  seen(limit: number): Promise<readonly { readonly fact: string; readonly value: number }[]>;
  noteSeen(fact: string, value: number): Promise<void>;
  /** Quarantines that stand. */
  quarantines(): Promise<readonly Quarantine[]>;
  putQuarantine(quarantine: Quarantine): Promise<void>;
  /** @param tenant as it was put up */
  liftQuarantine(kind: QuarantineKind, name: string, by: string, at: number, tenant?: string): Promise<void>;
  /**
   * Ends a run whose journal cannot be read; nothing is written to that.
   * @returns runs whose requests got an error for a reply by this
   */
  bury(run: RunId, outcome: Outcome, at: number): Promise<readonly RunId[]>;
  /** Services that can be written to. */
  services(): Promise<readonly Serving[]>;
  /**
   * From now on new instances are of this version.
   * @throws CORRAL_SERVICE_TAKEN where another bundle owns the name
   */
  serve(serving: Serving): Promise<void>;
  /** The run that is an instance now, or was it last. */
  instance(id: string): Promise<RunId | undefined>;
  /** A sign of life of this host, so that time in which no host ran can be told from time in which runs ran. */
  alive(now: number): Promise<void>;
  eras(): Promise<readonly Era[]>;
  /**
   * Appends one entry with all that follows from it.
   * Commits of one run take effect in the order in which they were handed over.
   * @throws CORRAL_EPOCH_STALE when another owner holds the run, CORRAL_DISK_FULL
   */
  commit(commit: Commit): Promise<CommitResult>;
  /**
   * Keeps what calls of a run came back with, each once, until a commit says that it has it (`answered`). Nothing is kept of a run that
   * has ended, is parked, or is held under another epoch.
   */
  keep(run: RunId, epoch: number, results: readonly Result[]): Promise<void>;

  run(run: RunId): Promise<StoredRun | undefined>;
  runs(filter: RunFilter): Promise<readonly StoredRun[]>;
  /**
   * The entries after `after`, each checked against the hash chain as it is read.
   * @throws CORRAL_JOURNAL_DAMAGED, naming the run and the entry; CORRAL_RUN_ERASED; CORRAL_JOURNAL_PRUNED
   */
  journal(run: RunId, after?: number, limit?: number): Promise<readonly Entry[]>;
  /** The cranks of a journal after an entry, as many as are replayed at once. */
  replayPage(run: RunId, after: number): Promise<ReplayPage>;
  /** What waits for a run after an item: `ALL_OF_INBOX`, with the answers that were kept of its calls. */
  inbox(run: RunId, after?: number): Promise<readonly InboxItem[]>;
  /** Who holds a grant; undefined where there is none of that id. */
  holder(grant: GrantId): Promise<RunId | undefined>;
  /** The grants a run holds, each with its whole chain. */
  grants(run: RunId): Promise<readonly (Grant & GrantState)[]>;

  /**
   * Forgets what a run was about: destroys its key, and all that was written about it in the clear. Its hash chain stays.
   * @param at milliseconds since 1970
   * @throws CORRAL_RUN_STATE while it has not ended, CORRAL_RUN_UNKNOWN
   */
  erase(run: RunId, at: number): Promise<Erased>;
  /** What `erase` would do, without doing it; it throws what that would. */
  erasable(run: RunId): Promise<Erased>;
  /** Walks the evidence of a run, or of all, or of all of a tenant. */
  verify(run?: RunId, tenant?: TenantId, head?: LogHead): Promise<Verification>;
  /** Size and root of the log that is the record of this store, with all that was committed until now. */
  logHead(): Promise<LogHead>;
  /** The hashes of a run's entries after one. */
  hashes(run: RunId, after: number, limit: number): Promise<readonly EntryHash[]>;
  /**
   * Takes away the contents of erased runs, and of journals whose tenant's retention has passed, in small steps. Hashes stay.
   * @param wanted how long journals of ended runs are kept, by tenant: one that is not named keeps them; and of which tenant garbage
   * is collected. Left out: of all, with the retention that the store was opened with
   */
  gc(now: number, wanted?: Collection): Promise<Freed>;
  /** What `gc` would take away, without doing it. */
  collectable(now: number, wanted?: Collection): Promise<Freed>;
  /** What accounts spent and have reserved, by the day. */
  spend(filter: SpendFilter): Promise<readonly AccountDay[]>;
  /** Forgets days before one. @returns how many rows */
  forgetSpend(before: string): Promise<number>;
  /** Says that somebody has looked at a restored run, and that it may go on. */
  release(run: RunId): Promise<void>;
  /**
   * Writes a copy of all that is in the data folder, as of one moment, into a folder that is empty or not there, while everything
   * goes on. Keys are not in it.
   * @throws CORRAL_FOLDER_NOT_EMPTY, CORRAL_DISK_FULL
   */
  backup(to: string, at: number): Promise<BackupManifest>;

  /** Waits for what was handed over before, then lets go. */
  close(): Promise<void>;
}
