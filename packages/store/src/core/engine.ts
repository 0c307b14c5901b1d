/**
 * The tables of a store, as the rest of `core` uses them: rows in, rows out. An engine seals, hashes and opens nothing, and knows no rule
 * of runs; it keeps what it is given, and all that is written between two transactions of its own is kept or lost together. Bytes are
 * opaque to it.
 */
import type { NodeRow } from '@corral/protocol/ports/nodes';
import type { Grant, GrantState } from '@corral/protocol/model/grant';
import type { Digest, GrantId, RunId } from '@corral/protocol/ids';
import type { Leaf } from '@corral/protocol/model/log';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { RunStatus, WaitingOn, RunRecord } from '@corral/protocol/model/run';
import type { Quarantine, QuarantineKind } from '@corral/protocol/model/quarantine';
import type { AccountDay, Holder, SpendChange, SpendFilter, SpendName, Usage, UsageWanted } from '@corral/protocol/model/spend';
import type { DecidedEntry } from '@corral/protocol/ports/approvals';
import type { Downtime, HeldElsewhere, RunFilter, RunRoom, Seen, Serving } from '@corral/protocol/ports/store';

/** The columns of a run that its evidence needs. */
export interface Custody {
  /** The run's short number in this store. */
  readonly n: number;
  readonly id: RunId;
  readonly tenant: string;
  /** Version of the master key that its key is wrapped with; null: its record is missing. */
  readonly version: number | null;
  /** Its wrapped key; null after it was erased. */
  readonly key: Uint8Array | null;
  readonly erased_at: number | null;
  /** The hash of its last entry, set when it has ended. */
  readonly end_hash: Uint8Array | null;
}

/** Where the journal of a run goes on. */
export interface Custodian extends Omit<Custody, 'end_hash'> {
  readonly epoch: number;
  /** Null before the first entry. */
  readonly seq: number | null;
  readonly hash: Uint8Array | null;
}

export interface EntryRow {
  readonly seq: number;
  readonly at: number;
  readonly cpu_us: number;
  readonly waiting: WaitingOn;
  readonly hash: Uint8Array;
  readonly body: Uint8Array;
}

/** A run as it is admitted: its record is sealed, its key is wrapped. */
export interface NewRun {
  readonly id: RunId;
  readonly tenant: string;
  readonly parent: RunId | undefined;
  readonly created_at: number;
  readonly version: number;
  readonly key: Uint8Array;
  readonly record: Uint8Array;
}

/** Whether a node may write for a run, and what the run is marked with. */
export interface Standing {
  readonly n: number;
  readonly epoch: number;
  /** Number of its last entry; null before the first. */
  readonly seq: number | null;
  readonly parked: boolean;
  readonly lifecycle: RunStatus['lifecycle'];
  readonly control: RunStatus['control'];
  readonly attempts: number;
  /** It waits for people. */
  readonly asking: boolean;
  readonly owner: number;
  /** 0: the node that holds it counts as dead. */
  readonly lease: number | null;
}

/** The state of a run that its list shows; the outcome is sealed. */
export interface RunState {
  readonly lifecycle: RunStatus['lifecycle'];
  readonly control: RunStatus['control'];
  readonly outcome_kind: string | null;
  readonly outcome: Uint8Array | null;
  readonly ended_at: number | null;
  readonly end_hash: Uint8Array | null;
}

/** A run as it is stored, all but its journal. */
export interface RunRow extends Omit<Custody, 'end_hash'>, Omit<RunState, 'outcome_kind' | 'end_hash'> {
  /** Sealed; null: it is missing. */
  readonly record: Uint8Array | null;
  readonly epoch: number;
  /** Number of its last entry, and the reason to wait that it names; null before the first. */
  readonly seq: number | null;
  readonly waiting: WaitingOn | null;
  readonly restored: boolean;
  /** Number of the last item of its inbox. */
  readonly inbox_seq: number;
  readonly checkpoint: number;
  /** When the contents of its whole journal were deleted; and the first entry whose contents are there, if some before it were; 0: none. */
  readonly pruned_at: number | null;
  readonly pruned_seq: number;
  /** The version that it was moved to; null: it is on the version of its admission. */
  readonly moved_to: Digest | null;
  readonly parked: boolean;
  readonly still: boolean;
  /** Sealed. */
  readonly ledger: Uint8Array | null;
}

export interface RunRows {
  row(run: RunId): RunRow | undefined;
  /** Those of a filter whose number is greater, in order. Erased runs are in no list, and none is after a run that there is not. */
  rows(filter: RunFilter, after: number, limit: number): readonly RunRow[];
  ids(filter: RunFilter): readonly RunId[];
  /**
   * It is active, held by a node, neither parked nor `still` any more, under the next epoch; its saved ledger is dropped. Its attempts are
   * 0 if it was parked.
   * @param died whether the node that held it died: one attempt more, unless the run was parked
   * @returns undefined: it has ended, or there is none
   */
  claim(run: RunId, node: number, died: boolean): { readonly n: number; readonly epoch: number; readonly attempts: number } | undefined;
  /** Parks it, if it is held, has not ended, and is as it was seen. @returns its number; undefined: it is not parked */
  park(run: RunId, seen: Seen, ledger: Uint8Array | null, still: boolean): number | undefined;
  /**
   * Runs that are due, as many as there is room for. A parked run may wake if it is not `still` and its control is `none`. First come those
   * that may wake and have an item with a number above 0 in their inbox or a timer that is due, and all runs that have not ended and that
   * these dead nodes hold. Then come queued runs that may wake: the room of each tenant, and all together, is less by those that came first.
   * Tenants take turns among the first and among the rest, each in the order of admission.
   * @param now by which timers are due. Milliseconds since 1970
   */
  due(now: number, dead: readonly number[], room: RunRoom): readonly RunId[];
  /** Runs that these nodes hold, in the order of admission. @param limit undefined: all of them */
  held(nodes: readonly number[], after: RunId | undefined, limit: number | undefined): readonly RunId[];
  /** Parked runs that have not ended, by what their last entry says that they wait for; `nothing`: also those that have no entries. */
  parkedOn(waiting: WaitingOn): readonly RunId[];
  /** Parked runs that have not ended and are marked by `asking`, counted by what their last entry says that they wait for. */
  parkedForPeople(): Readonly<Partial<Record<WaitingOn, number>>>;
  orphans(): readonly RunId[];
  /** Parked runs that have not ended, whose control is `quarantined`, and that `quarantine` has not stopped, in the order of admission. */
  quarantined(after: RunId | undefined, limit: number): readonly Pick<RunRecord, 'id' | 'tenant'>[];
  descendants(run: RunId): readonly RunId[];
  /** It is no longer marked as restored. */
  release(run: RunId): void;
  custody(run: RunId): Custody | undefined;
  custodian(run: RunId): Custodian | undefined;
  /** @param n its number, if that is known */
  standing(run: RunId, n?: number): Standing | undefined;
  /** Its sealed record, null where that is missing, and the number of the entry with its last checkpoint. */
  origin(run: RunId): (Custody & { readonly record: Uint8Array | null; readonly checkpoint: number }) | undefined;
  /**
   * @param owner the node that holds it: it is active, in its first epoch; undefined: it is queued and parked, and no epoch has begun (0)
   * @returns its number
   * @throws Error if there is a run of that id; a commit may have written something by then
   */
  insert(run: NewRun, owner: number | undefined): number;
  state(n: number, state: RunState): void;
  asking(n: number, asking: boolean): void;
  /** Nobody held it in this time, since its holder was dead. The part before the end of an earlier such time is left out. */
  putAway(n: number, time: Downtime): void;
  /** In order. */
  away(n: number): readonly Downtime[];
  /** Clears the attempts. */
  progressed(n: number): void;
  checkpoint(n: number, seq: number): void;
  moved(n: number, version: Digest): void;
  /** Ends a run that has not ended, without an entry. @returns whether it did */
  bury(n: number, kind: string, outcome: Uint8Array | null, at: number): boolean;
  /** Stops it, in nobody's hands; the reason marks it as one that cannot be read, which no lifted quarantine lets go on. */
  quarantine(run: RunId, reason: string): void;
}

export interface JournalRows {
  append(n: number, entry: EntryRow): void;
  /** The entries after one, in order. */
  entries(n: number, after: number, limit: number): readonly EntryRow[];
  hash(n: number, seq: number): Uint8Array | undefined;
  hashes(n: number, after: number, limit: number): readonly { readonly seq: number; readonly hash: Uint8Array }[];
  /** An entry of the run has what people decided about a call, or that nobody did in time. */
  decided(n: number, call: number): void;
  /** Those that were noted after a number, in order. */
  decisions(after: number, limit: number): readonly DecidedEntry[];
  /** Whether an error says that the bytes of these rows cannot be read any more. */
  isUnreadable(error: unknown): boolean;
}

/** An item of an inbox. Its format is that of mailbox.ts. */
export interface Item {
  readonly sender: string;
  readonly key: string;
  readonly format: number;
  readonly delivery: Uint8Array;
}
export interface InboxRow extends Item {
  readonly seq: number;
  readonly at: number | null;
}

export interface InboxRows {
  /** Those after a number, in order. */
  items(n: number, after: number): readonly InboxRow[];
  /** Gives an item the next number of its receiver. @returns the number; 0: the receiver has ended, or there is none */
  place(to: RunId, item: Item, at: number): number;
  /** Puts an item at a number, unless there is one. */
  keep(n: number, seq: number, item: Item): void;
  take(n: number, seq: number): void;
  /** The last number that was given, and the first positive one that is there still. */
  span(run: RunId): { readonly last: number; readonly first: number | null } | undefined;
  /** Number of items with a positive number. */
  count(run: RunId): number;
  clear(n: number): void;
  /** Runs that a node holds and for which items wait, each with the number of the last one. */
  mail(node: number): readonly { readonly run: RunId; readonly last: number }[];
}

/** A large payload, sealed. */
export interface NewBlob {
  readonly id: string;
  readonly tenant: string;
  readonly data: Uint8Array;
  /** Ids of the blobs that it lists, which are kept for as long as it is. */
  readonly parts: readonly string[];
}

export interface BlobRows {
  has(id: string): boolean;
  data(id: string): Uint8Array | undefined;
  /**
   * Keeps it, unless it is there. Until an entry or another blob refers to it, it is left alone for a grace from then on.
   * @param at milliseconds since 1970
   * @throws Error if a part of it is not there
   */
  put(blob: NewBlob, at: number): void;
  /** Entry `seq` of a run refers to it. 0 stands for the record and the outcome, which outlive the journal. */
  refer(n: number, seq: number, id: string): void;
}

/** A grant as it is stored. */
export interface NewGrant {
  readonly id: GrantId;
  readonly parent: GrantId | undefined;
  readonly holder: RunId;
  /** The whole of it, as JSON. */
  readonly data: string;
}

export interface GrantRows {
  /** @throws Error if there is a grant of that id; a commit may have written something by then */
  put(grant: NewGrant): void;
  get(id: GrantId): (Grant & GrantState) | undefined;
  count(id: GrantId, used: number, sent_bytes: number | undefined, rested_at: number | undefined): void;
  revoke(id: GrantId): void;
  /** For a person; the first person is kept. @returns whether there is such a grant */
  revokeFor(id: GrantId, by: string, reason: string, at: number): boolean;
  /** Those of these grants that are marked as revoked themselves. */
  revoked(among: readonly GrantId[]): readonly GrantId[];
  /** The grants that a run holds, each with its whole chain. */
  of(run: RunId): readonly (Grant & GrantState)[];
  holder(id: GrantId): RunId | undefined;
  /** Whether another run that has not ended, besides these, holds one derived from it. */
  isShared(id: GrantId, besides: readonly RunId[]): boolean;
}

export interface TimerRows {
  put(n: number, id: number, due: number): void;
  drop(n: number, id: number): void;
  clear(n: number): void;
  /** When the first one of a parked run that may go on is due. */
  next(): number | undefined;
}

/** The last run of a service's instance. */
export interface InstanceRow {
  readonly run: RunId;
  readonly ended: boolean;
  readonly killed: boolean;
  readonly erased: boolean;
}

export interface RequestRows {
  /** @param item its number in the inbox of the receiver */
  open(requester: RunId, id: number, receiver: RunId, item: number): void;
  /** Deletes a request. @returns whether there was one, of that receiver */
  answer(requester: RunId, id: number, receiver: RunId): boolean;
  /**
   * Deletes all requests to and of a run, and marks the instance that it was as ended. Its inbox is cleared afterwards.
   * @returns those of others, in the order of their items; `begun`: the item of the request is no longer in the inbox
   */
  close(run: RunId, n: number): readonly { readonly requester: RunId; readonly id: number; readonly begun: boolean }[];
  instance(id: string): InstanceRow | undefined;
  /** @param of the service, for counting */
  putInstance(id: string, of: string, run: RunId): void;
  /** Number of live instances of a service. */
  alive(of: string): number;
}

export interface NodeRows {
  /** Counts an opening for writing. */
  opened(): number;
  /** Nodes whose lease has run out at this time, and all of this name, are dead. */
  expire(clock: number, name: string): void;
  /** Whether no node is alive; then the last sign of life of any, if there was one. */
  silence(): { readonly since: number | undefined } | undefined;
  /** @returns its number, which is greater than that of any node before, and not less than that of any opening */
  insert(node: NewNode): number;
  /** A sign of life, which moves the lease. @returns false: it is dead */
  beat(node: number, now: number, clock: number): boolean;
  /** It is dead from now on. */
  end(node: number, now: number): void;
  /** Clears the attempts of the runs that it holds, or held last. */
  clearAttempts(node: number): void;
  /** 0: it is dead, or there is none. */
  lease(node: number): number;
  named(node: number): Omit<HeldElsewhere, 'holder'>;
  /** Its last sign of life; undefined: there is no such node. */
  last(node: number): number | undefined;
  /** Nodes that hold runs and whose lease has run out. */
  lost(clock: number): readonly number[];
  /** An entry is a sign of life of the node that wrote it; the lease stays. @returns whether that moved its last sign of life */
  sign(node: number, at: number): boolean;
  downtimes(): readonly Downtime[];
  /** Nodes with a lease, with runs, or seen since a time: those with a lease first, then the latest. `lease` is 0 for those that are dead. */
  all(clock: number, since: number, most: number): readonly (Omit<NodeRow, 'alive' | 'lease_until'> & { readonly lease: number })[];
}

export interface NewNode {
  readonly name: string;
  readonly since: number;
  readonly lease: number;
  /** How far a beat moves the lease; undefined: it never runs out. */
  readonly lease_ms: number | undefined;
  /** Since when no node had been at work; undefined: one was. */
  readonly away_from: number | undefined;
}

export type ChangeKind = 'quarantines' | 'services' | 'revoked';

/** Agents, services, stops: small tables that concern all runs. */
export interface RegistryRows {
  /** Keeps what is there; a bundle that has no source map yet gets one. */
  deploy(bundle: Bundle, versions: readonly AgentVersion[]): void;
  version(version: Digest): AgentVersion | undefined;
  agents(bundle: Digest): readonly AgentVersion[];
  source(bundle: Digest): string | undefined;
  sourceMap(bundle: Digest): string | undefined;
  services(): readonly Serving[];
  /** @returns false: another bundle owns the name, and this one names another owner or none */
  serve(serving: Serving): boolean;
  quarantines(): readonly Quarantine[];
  putQuarantine(quarantine: Quarantine): void;
  /** @returns whether there was one */
  liftQuarantine(
    kind: QuarantineKind,
    name: string,
    by: string,
    at: number,
    tenant: string | undefined,
    until: number | undefined,
  ): boolean;
  /**
   * Notes a change under the next version, and drops the oldest beyond this many. Nobody may see a version before all lower ones: a node that
   * follows does not ask for those again.
   * @param id of a grant that was revoked
   */
  change(kind: ChangeKind, id: string | undefined, kept: number): void;
  /** The versions of the first and of the last change that are kept; undefined: there are none. */
  versions(): { readonly first: number; readonly last: number } | undefined;
  /** Those after a version, in order. */
  changes(after: number): readonly { readonly kind: ChangeKind; readonly id: string | null }[];
  /** The newest facts, the oldest of them first. */
  seen(limit: number): readonly { readonly fact: string; readonly value: number }[];
  /** A fact that is there keeps its age and gets the value. */
  noteSeen(fact: string, value: number): void;
}

export interface Bundle {
  readonly digest: Digest;
  readonly source: string;
  readonly source_map: string | undefined;
}

interface AccountRows {
  post(change: SpendChange): void;
  /** The newest day first, then by tenant: its own account, those of its people, those of its agents, each by name. */
  days(filter: SpendFilter): readonly AccountDay[];
  usage(wanted: UsageWanted): Usage;
  /** The sum that an account has spent and reserved of an amount. @param days `2026-11-28` */
  committed(holder: Holder, days: readonly string[], name: SpendName): number;
  /** Deletes days before one. @returns how many rows */
  forget(before: string): number;
}

/** The record of the host: facts that it cannot find in the tables by itself. */
export interface LogRows {
  due(leaf: Leaf): void;
  /** A run ended without an entry. */
  buried(n: number): void;
}

export interface Engine {
  readonly runs: RunRows;
  readonly journal: JournalRows;
  readonly inbox: InboxRows;
  readonly blobs: BlobRows;
  readonly grants: GrantRows;
  readonly timers: TimerRows;
  readonly requests: RequestRows;
  readonly accounts: AccountRows;
  readonly registry: RegistryRows;
  readonly nodes: NodeRows;
  readonly log: LogRows;
}
