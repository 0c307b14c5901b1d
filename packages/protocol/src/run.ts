/** A run: its record, the four axes of its state, its journal. */
import type { Decision } from './decision.ts';
import type { Result } from './delivery.ts';
import type { Digest, GrantId, PrincipalId, RunId, TenantId, AgentName } from './ids.ts';
import type { CarriedHandle, PlacedHandle } from './handle.ts';
import type { Identity } from './identity.ts';
import type { Json } from './json.ts';
import type { Label, LabelChange } from './label.ts';
import type { Ceilings } from './limits.ts';
import type { Budget } from './manifest.ts';
import type { Outcome } from './outcome.ts';

export type Lifecycle = 'queued' | 'active' | 'ended';
export type Control = 'none' | 'paused' | 'quarantined';
export type Residency = 'resident' | 'parked';
export type WaitingOn = 'call' | 'message' | 'timer' | 'child' | 'approval' | 'resolution' | 'upgrade' | 'nothing';

/** What replay needs besides the journal; written once, at admission. */
export interface RunHeader {
  /** 32 bytes as hex. */
  readonly seed: string;
  /** Digest of the sandbox image. */
  readonly image: string;
  readonly node: string;
  readonly v8: string;
  readonly icu: string;
}

/** A run as admitted. Immutable. */
export interface RunRecord {
  readonly id: RunId;
  readonly tenant: TenantId;
  readonly agent: AgentName;
  readonly version: Digest;
  readonly bundle: Digest;
  readonly principal: PrincipalId;
  /** Of a child: who submitted the first of its ancestors, and so answers for what it asks. */
  readonly submitter?: PrincipalId;
  /** Who stands behind whoever submitted it or the first of its ancestors. Absent: their name says all. */
  readonly who?: Identity;
  readonly parent: { readonly run: RunId; readonly id: number; readonly agent: AgentName } | undefined;
  /** Of a fork: the run whose journal it begins with, the entry at which it parts from it, and when it was made. */
  readonly origin?: {
    readonly run: RunId;
    readonly at: number;
    readonly forked_at: number;
    /** Entries that it has when it is written down completely; absent in records of older hosts, where the last of them is `at`. */
    readonly entries?: number;
  };
  readonly spawn_depth: number;
  readonly input: Json;
  /** Handles in `input`, numbered from 1. */
  readonly handles?: readonly CarriedHandle[];
  readonly header: RunHeader;
  readonly ceilings: Ceilings;
  readonly budget: Required<Budget>;
  /** Its submitter gave it less than its agent asks for, so that its failure says nothing about the agent. */
  readonly narrowed?: true;
  /** The initial c-list: alias, index and grant of each. With `spawns` of the manifest, it is the run's whole authority. */
  readonly caps: readonly { readonly alias: string; readonly cap: number; readonly grant: GrantId }[];
  readonly created_at: number;
  /** Of what its spawner knew when it spawned it; of an instance of a service, what whoever wrote to it first knew. Absent: of nothing that a stranger could have written. */
  readonly label?: Label;
  /** By which profile it is judged whether it drifts; it keeps the one it began with. Absent: by none. */
  readonly profile?: string;
  /** Of a service's instance. */
  readonly service?: { readonly key: string } & Kept;
  /** Of a child, or of an instance of a service: how long the causal chain was that led to it. Absent: it began one. */
  readonly depth?: number;
  /** Likewise: how many turns of services there are in that chain. */
  readonly hops?: number;
}

/** What an instance of a service had kept when it ended, for the one after it. */
export interface Kept {
  readonly state?: Json;
  /** Of the state. */
  readonly label?: Label;
  /** Those that are in the state, as a snapshot has them, and where they stand in it. */
  readonly handles?: Json;
  readonly placed?: readonly PlacedHandle[];
}

/** What changes about a run, as the store keeps it for lists; the journal is the truth behind it. */
export interface RunStatus {
  readonly lifecycle: Lifecycle;
  readonly control: Control;
  readonly waiting: WaitingOn;
  readonly outcome: Outcome | undefined;
  readonly ended_at: number | undefined;
}

/** Why a run may not go on although nothing is missing: somebody must look first. */
export type HoldReason =
  /** Its data came from a backup, so what it would do next may have been done already. */
  | 'restored'
  /** It replays differently on the runtime that this host has now. */
  | 'upgrade';

/** How far a run has come on the ladder of what is done about loops and runaways. */
export type LadderStep = 'observe' | 'notice' | 'slow' | 'pause' | 'kill';

/** What a detector says, as a step is founded on it. */
export interface StepReason {
  readonly detector: string;
  /** From 0 to 1. */
  readonly confidence: number;
  /** One sentence for a person. */
  readonly text: string;
  /** Journal entries of this run that make the case, as far as they are still known. */
  readonly entries: readonly number[];
  /** Tools, agents or runs that it is about. */
  readonly subjects: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
}

/** Something the host did to a run outside of a crank, and that a fold must know; `who` stands behind `by`, where that is a token's name. */
export type HostEvent = HostEventBody & { readonly who?: Identity };
type HostEventBody =
  /** A call's result is lost. `tell`: its agent is told so; otherwise the run waits for a resolution. */
  | { readonly kind: 'unknown'; readonly id: number; readonly message: string; readonly tell: boolean; readonly detail?: string }
  | ({ readonly kind: 'resolved'; readonly id: number; readonly by: string; readonly reason?: string } & (
      | {
          readonly how: 'retry';
          /** What its purse had to reserve once more, since the call may have been paid before. */
          readonly again?: Budget;
          /** The day of the accounts above the run that `again` was reserved of. Absent in older journals: that of the first attempt. */
          readonly day?: string;
        }
      | { readonly how: 'result' | 'fail'; readonly result: Result }
    ))
  /** The capability of a call was taken back while the call was under way: this came of it, and its agent is not given it. */
  | { readonly kind: 'fenced'; readonly id: number; readonly result: Result }
  /**
   * A request that gets no reply any more, since it took too long or its capability was taken back; or a message that reached nobody.
   * This is what its agent is told.
   */
  | { readonly kind: 'unanswered'; readonly id: number; readonly result: Result }
  /** `family`: it was paused with this run, whose pause was to reach all that descends from it; absent where it was paused alone. */
  | { readonly kind: 'control'; readonly control: Control; readonly by: string; readonly reason: string; readonly family?: RunId }
  /** `grace_ms`: what it has to tidy up, counted from this entry on; absent in journals from before that was kept. */
  | { readonly kind: 'cancel'; readonly by: string; readonly reason: string; readonly grace_ms?: number }
  /** What a person said to a call that waits for approval, or that nobody said anything in time. */
  | {
      readonly kind: 'approval';
      readonly id: number;
      readonly by: string;
      readonly verdict: 'approve' | 'deny' | 'expired';
      readonly reason: string;
      /** The owner of a label lowered it. */
      readonly relabel?: LabelChange;
      /**
       * The day of the accounts above the run that pays, where that is another one than the day on which the call was asked for. Of the
       * approval by which the call is made; absent in older journals, where that day paid, and for a call of a fork none did.
       */
      readonly day?: string;
    }
  | { readonly kind: 'held'; readonly why: HoldReason; readonly detail: string }
  | { readonly kind: 'released'; readonly by: string; readonly reason: string }
  /** It was replayed on another runtime than it ran on before, and did the same. */
  | { readonly kind: 'restamped'; readonly header: RunHeader }
  /** The run was moved to another version of its agent. */
  | { readonly kind: 'upgraded'; readonly version: Digest; readonly bundle: Digest; readonly by: string }
  /**
   * Ends the entries that a fork shares with its origin. The time since then counts towards nothing.
   * `asks`: who had approved a call that still waits approved it for the origin, and is asked anew. `pays`: what is reserved for a
   * call that was under way is the origin's to pay, and the fork pays when it makes the call itself. Both are absent in older journals.
   */
  | {
      readonly kind: 'forked';
      readonly from: RunId;
      readonly by: string;
      readonly away_ms: number;
      readonly asks?: 'anew';
      readonly pays?: 'own';
    }
  /**
   * A step up the ladder, or down again after a calm. `position`: how many events its detectors had seen. `stays`: it stays where it is,
   * since something was seen from outside of the run, and is calm only later.
   */
  | {
      readonly kind: 'step';
      readonly step: LadderStep;
      readonly position: number;
      readonly because: readonly StepReason[];
      readonly stays?: true;
    }
  /** Part of the crank that asked for it: the journal before this entry is not needed to go on. */
  | { readonly kind: 'checkpoint'; readonly state: Json; readonly unread: Json; readonly ledger: Json }
  | { readonly kind: 'ended'; readonly outcome: Outcome };

/** One line of a journal: a crank, or a host event. `delivery` and `effects` are JSON texts, kept as they crossed. */
export interface Entry {
  readonly seq: number;
  readonly at: number;
  readonly delivery: string | undefined;
  readonly effects: string | undefined;
  readonly decisions: readonly Decision[];
  readonly event: HostEvent | undefined;
  readonly cpu_us: number;
  /**
   * Time since the entry before that counts towards no wall time: the run had something to do and the host gave it no CPU. Below zero
   * where the host's clock was put back. Absent: none, or it was written before this was measured.
   */
  readonly queued_ms?: number;
  /** Of a crank that was given a message: its number in the inbox. Absent in older journals. */
  readonly inbox?: number;
}
