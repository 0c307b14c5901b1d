/**
 * A commit as it is applied: everything in it is sealed, hashed and split before the transaction begins. It names the
 * state that it was prepared on (`after`, `expected`); if that has changed, the commit is prepared again on the present state.
 */
import type { Digest, RunId } from '@corral/protocol/ids';
import type { Label } from '@corral/protocol/model/label';
import type { Commit } from '@corral/protocol/ports/store';
import type { EntryRow, Item, NewGrant, NewRun, RunState } from './engine.ts';

/** Payloads that sealed bytes refer to. They are stored before the write that names them takes effect. */
export interface Payloads {
  readonly refs: readonly string[];
}

/** A run that is admitted, with its root grants. */
export interface PreparedRun extends Payloads {
  readonly run: NewRun;
  readonly grants: readonly NewGrant[];
}

/** The instance of a service that a delivery is for, as it was when the delivery was sealed. */
export interface PreparedInstance {
  readonly id: string;
  /** The service, for counting. */
  readonly of: string;
  /** Its run, and what had become of that. Undefined: it had none. */
  readonly expected: { readonly run: RunId; readonly ended: boolean; readonly erased: boolean } | undefined;
  /** The run that goes on from there, or why there can be none. Undefined: the expected one lives, or an earlier delivery makes one. */
  readonly next: PreparedRun | Unkept | undefined;
  /** An earlier delivery of the same commit is for it as well. */
  readonly again: boolean;
}

/** The state that an instance had kept in its last run cannot be read. */
export interface Unkept {
  readonly run: RunId;
  readonly why: string;
}

export interface PreparedDelivery {
  readonly to: RunId;
  /** Sealed for the receiver; undefined: it had ended, was not there, or its key cannot be opened. */
  readonly item: Item | undefined;
  /** It counts towards the bound of the mailbox. */
  readonly isMessage: boolean;
  /** The effect of the sender that waits for a reply. */
  readonly request: number | undefined;
  /** The effect of a message without a reply. */
  readonly sent: number | undefined;
  /** Requests of the receiver that it replies to. */
  readonly replies: readonly number[];
  /** For the receiver, if it is reached. */
  readonly grants: readonly NewGrant[];
  readonly instance: PreparedInstance | undefined;
}

/** The fields of a commit that are applied as they are. */
type AsGiven = 'run' | 'epoch' | 'consumed' | 'uses' | 'revoked' | 'timers' | 'timersDone';

export interface PreparedCommit extends Pick<Commit, AsGiven> {
  /** Undefined: it had no number yet. */
  readonly n: number | undefined;
  /** The hash that the entry is chained to. */
  readonly after: Uint8Array;
  readonly entry: EntryRow;
  readonly state: RunState;
  readonly asking: boolean;
  readonly isCheckpoint: boolean;
  /** The call that people decided about, or did not in time, or whose capability was taken back before. */
  readonly decided: number | undefined;
  /** The version that the run is moved to. */
  readonly moved: Digest | undefined;
  /** Those of the entry. `kept`: those of the outcome, which outlive the journal. */
  readonly payloads: Payloads;
  readonly kept: Payloads;
  readonly answered: readonly number[];
  readonly spend: Commit['spend'];
  readonly quarantine: Commit['quarantine'];
  readonly children: readonly PreparedRun[];
  readonly grants: readonly NewGrant[];
  readonly outbox: readonly PreparedDelivery[];
  readonly end: End;
}

/** For those who wait for a reply of a run that ends. */
export interface End {
  readonly how: string | undefined;
  readonly label: Label | undefined;
}

/** Answers to calls of a run, sealed for it. */
export interface PreparedAnswers {
  readonly run: RunId;
  readonly epoch: number;
  readonly items: readonly { readonly call: number; readonly item: Item }[];
}

/** The end of a run whose journal cannot be read. */
export interface PreparedBurial extends Payloads {
  readonly run: RunId;
  readonly n: number;
  readonly kind: string;
  /** Null: its key is gone. */
  readonly outcome: Uint8Array | null;
  readonly at: number;
  readonly end: End;
}

/** The state that a write was prepared on has changed. Nothing was written; it is to be prepared again. */
export class Stale extends Error {}
