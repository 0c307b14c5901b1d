/**
 * The Store port: where runs live. One embedded implementation and one for many machines pass the same conformance suite.
 * Everything here is durable when its promise resolves. Methods reject with a CorralError.
 */
import type { Grant, GrantState } from './grant.ts';
import type { Digest, GrantId, RunId, TenantId } from './ids.ts';
import type { PendingDelivery } from './delivery.ts';
import type { AgentVersion } from './manifest.ts';
import type { Entry, RunRecord, RunStatus } from './run.ts';

/** A message or notice on its way to another run; seen once however often it is handed over. */
export interface Outgoing {
  readonly to: RunId;
  /** Unique a sender: `<seq>.<index>`. */
  readonly key: string;
  readonly delivery: PendingDelivery;
}

/** A delivery that waits in a run's inbox. */
export interface InboxItem {
  readonly seq: number;
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
  /** The inbox item this crank took, if its delivery was one. */
  readonly consumed: number | undefined;
  readonly outbox: readonly Outgoing[];
  readonly spawned: readonly RunRecord[];
  readonly grants: readonly Grant[];
  /** Grants whose count or revocation changed. */
  readonly grantStates: readonly (GrantState & { readonly id: GrantId })[];
  readonly timers: readonly { readonly id: number; readonly due: number }[];
  readonly timersDone: readonly number[];
}

export interface CommitResult {
  /** The inbox number each outgoing item got, in order; 0 where the receiver has ended. */
  readonly delivered: readonly number[];
}

export interface StoredRun {
  readonly record: RunRecord;
  readonly status: RunStatus;
  readonly epoch: number;
  /** Number of the last journal entry; 0 before the first. */
  readonly seq: number;
}

export interface RunFilter {
  readonly tenant?: TenantId;
  readonly ended?: boolean;
  readonly parent?: RunId;
  readonly limit?: number;
}

export interface Store {
  /** Counts how often this store was opened for writing. */
  readonly era: number;

  deploy(
    bundle: { readonly digest: Digest; readonly source: string; readonly source_map: string | undefined },
    versions: readonly AgentVersion[],
  ): Promise<void>;
  version(version: Digest): Promise<AgentVersion | undefined>;
  /** All agents of a bundle. */
  agents(bundle: Digest): Promise<readonly AgentVersion[]>;
  /** The source of a bundle. */
  bundle(digest: Digest): Promise<string | undefined>;

  /** Writes down a run and its root grants. `claim` takes the first lease in the same write. */
  admit(record: RunRecord, grants: readonly Grant[], claim: boolean): Promise<void>;
  /** Takes the lease of a run: later appends under an older epoch are refused. */
  claim(run: RunId): Promise<StoredRun | undefined>;
  /**
   * Appends one entry with all that follows from it.
   * Commits of one run take effect in the order in which they were handed over.
   * @throws CORRAL_EPOCH_STALE when another owner holds the run, CORRAL_DISK_FULL
   */
  commit(commit: Commit): Promise<CommitResult>;

  run(run: RunId): Promise<StoredRun | undefined>;
  runs(filter: RunFilter): Promise<readonly StoredRun[]>;
  /** @param limit at most so many entries; without it, all */
  journal(run: RunId, after?: number, limit?: number): Promise<readonly Entry[]>;
  inbox(run: RunId): Promise<readonly InboxItem[]>;
  /** The grants a run holds, each with its whole chain. */
  grants(run: RunId): Promise<readonly (Grant & GrantState)[]>;

  /** Waits for what was handed over before, then lets go. */
  close(): Promise<void>;
}
