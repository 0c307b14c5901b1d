/** A run: its record, the four axes of its state, its journal. */
import type { Cost } from './cost.ts';
import type { Decision } from './decision.ts';
import type { Result } from '../wire/delivery.ts';
import type { Digest, GrantId, PrincipalId, RunId, TenantId, AgentName } from '../ids.ts';
import type { CarriedHandle, PlacedHandle } from '../wire/handle.ts';
import type { Identity } from './identity.ts';
import type { Json } from '../json.ts';
import type { Label, LabelChange, Names } from './label.ts';
import type { Ceilings } from '../limits.ts';
import type { Budget, JsonSchema } from './manifest.ts';
import type { Outcome } from './outcome.ts';
import type { InputRequest } from './question.ts';
import type { StandingGrant } from './standing.ts';

export type Lifecycle = 'queued' | 'active' | 'ended';
export type Control = 'none' | 'paused' | 'quarantined';
export type Residency = 'resident' | 'parked';
export type WaitingOn = 'call' | 'message' | 'timer' | 'child' | 'approval' | 'resolution' | 'upgrade' | 'nothing';

/** Inputs of a replay besides the journal; stored once, at admission. */
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
  /** For a child: the submitter of its first ancestor, who answers for what it does. */
  readonly submitter?: PrincipalId;
  /** The identity behind the submitter. Absent: the name is unambiguous. */
  readonly who?: Identity;
  readonly parent: { readonly run: RunId; readonly id: number; readonly agent: AgentName } | undefined;
  /** For a child: its first ancestor, by which telemetry finds the family. Absent in records of older hosts. */
  readonly root?: RunId;
  /** The `traceparent` of the request that submitted it, to which telemetry links. No guest sees it. */
  readonly trace?: string;
  /** For a fork: the run whose journal it begins with, the first entry at which it may differ, and when it was made. */
  readonly origin?: {
    readonly run: RunId;
    readonly at: number;
    readonly forked_at: number;
    /**
     * Number of entries it has once it is completely stored; absent in records of older hosts, where the last of them is `at`.
     */
    readonly entries?: number;
  };
  readonly spawn_depth: number;
  readonly input: Json;
  /** Handles in `input`, numbered from 1. */
  readonly handles?: readonly CarriedHandle[];
  readonly header: RunHeader;
  readonly ceilings: Ceilings;
  readonly budget: Required<Budget>;
  /**
   * For a child that runs a program which its parent made at run time: the program, its SHA-256, and the schema of the output that the parent
   * accepts. Its `agent`, `version` and `bundle` are those of its parent, which answers for it; nothing of that bundle is loaded.
   */
  readonly program?: { readonly source: string; readonly digest: Digest; readonly output: JsonSchema | null };
  /** Its submitter allowed less than its agent asks for, so its failure says nothing about the agent. */
  readonly narrowed?: true;
  /**
   * The initial c-list: alias, index and grant of each. Together with `spawns` of the manifest, this is the run's whole
   * authority.
   */
  readonly caps: readonly { readonly alias: string; readonly cap: number; readonly grant: GrantId }[];
  readonly created_at: number;
  /**
   * Label of its spawner at the spawn; for a service instance, of its first sender. Absent: nothing in it came from a stranger.
   */
  readonly label?: Label;
  /** The profile by which drift is judged; a run keeps the one it began with. Absent: none. */
  readonly profile?: string;
  /** Set for a service instance. */
  readonly service?: { readonly key: string } & Kept;
  /** For a child or a service instance: length of the causal chain that led to it. Absent: it began one. */
  readonly depth?: number;
  /** Likewise, the number of service turns in that chain. */
  readonly hops?: number;
}

/** The state that an instance of a service left when it ended, for the next run of the instance. */
export interface Kept {
  readonly state?: Json;
  /** Label of the state. */
  readonly label?: Label;
  /** Handles in the state, in the form of a snapshot, and their positions. */
  readonly handles?: Json;
  readonly placed?: readonly PlacedHandle[];
}

/** The changing part of a run, as the store keeps it for lists; the journal is authoritative. */
export interface RunStatus {
  readonly lifecycle: Lifecycle;
  readonly control: Control;
  readonly waiting: WaitingOn;
  readonly outcome: Outcome | undefined;
  readonly ended_at: number | undefined;
  /** The people whose private data the outcome may hold, as its last entry says; the outcome outlives the journal. Absent: not recorded. */
  readonly private_to?: Names;
}

/** Why a run may not go on until a person has looked at it. */
export type HoldReason =
  /** Its data came from a backup, so its next effects may already have happened. */
  | 'restored'
  /** It replays differently on this host's runtime. */
  | 'upgrade';

/** Steps of the ladder against loops and runaways. */
export type LadderStep = 'observe' | 'notice' | 'slow' | 'pause' | 'kill';

/** A finding of a detector, as the reason of a step. */
export interface StepReason {
  readonly detector: string;
  /** From 0 to 1. */
  readonly confidence: number;
  /** One sentence for a person. */
  readonly text: string;
  /** Journal entries of this run that are the evidence, as far as they are still kept. */
  readonly entries: readonly number[];
  /** Tools, agents or runs that it concerns. */
  readonly subjects: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
}

/** See the event `refusals`. */
export interface ChildRefusal {
  readonly what: string;
  readonly attempts: readonly { readonly end: number; readonly spelt: number }[];
}

/**
 * An act of the host on a run outside of a crank, recorded for recovery. `who`: the identity behind `by`, if that is a token's
 * name.
 */
export type HostEvent = HostEventBody & { readonly who?: Identity };
type HostEventBody =
  /** The result of a call is lost. `tell`: its agent receives an error; otherwise the run waits for a person. */
  | { readonly kind: 'unknown'; readonly id: number; readonly message: string; readonly tell: boolean; readonly detail?: string }
  | ({ readonly kind: 'resolved'; readonly id: number; readonly by: string; readonly reason?: string } & (
      | {
          readonly how: 'retry';
          /** Reserved from its purse once more, because the first attempt may have been charged. */
          readonly again?: Budget;
          /** The day of the accounts that `again` was reserved from. Absent in older journals: that of the first attempt. */
          readonly day?: string;
        }
      | { readonly how: 'result' | 'fail'; readonly result: Result }
    ))
  /**
   * The capability of a call was revoked while the call was under way, or its run was ended before it was given the result: the result, which
   * is withheld from the agent.
   */
  | { readonly kind: 'fenced'; readonly id: number; readonly result: Result }
  /**
   * A request that will get no reply, because it timed out or its capability was revoked; or a message that reached nobody.
   * `result` is sent to the agent.
   */
  | { readonly kind: 'unanswered'; readonly id: number; readonly result: Result }
  /** `family`: it was paused together with this run, by a pause of all its descendants; absent if it was paused alone. */
  | { readonly kind: 'control'; readonly control: Control; readonly by: string; readonly reason: string; readonly family?: RunId }
  /** `grace_ms`: time for cleaning up, counted from this entry; absent in older journals. */
  | { readonly kind: 'cancel'; readonly by: string; readonly reason: string; readonly grace_ms?: number }
  /** A person's decision about a call that waits for approval, or that the time for it ended. */
  | {
      readonly kind: 'approval';
      readonly id: number;
      readonly by: string;
      readonly verdict: 'approve' | 'deny' | 'expired';
      readonly reason: string;
      /** Set if the owner lowered a label. */
      readonly relabel?: LabelChange;
      /** A person's answer to a question, which is the result of the call, or the input that its tool has asked for. Set with `approve` alone, and for questions alone. */
      readonly answer?: { readonly value: Json };
      /**
       * The day of the accounts above the run that pays, if it differs from the day of the request. Set for the approval by which the call is made. Absent in older journals: the day of the request paid, and for a call of a fork no day did.
       */
      readonly day?: string;
      /** Set if the approval holds for later calls of the run. */
      readonly holds?: StandingGrant;
      /** The person has shown their credential once more for this decision. */
      readonly fresh?: true;
      /** The call goes on without an answer: its tool is told that there is none. Set for requests of a tool for input alone. */
      readonly goes_on?: true;
    }
  /** A tool needs input of people to go on with a call, which waits for them. `digest`: of its arguments. */
  | {
      readonly kind: 'input_required';
      readonly id: number;
      readonly tool: string;
      readonly request: InputRequest;
      readonly digest: string;
      readonly expires_at: number;
    }
  /** A person took back that the approval of a call holds for later ones. */
  | { readonly kind: 'withdrawn'; readonly id: number; readonly by: string; readonly reason: string }
  /**
   * Inspectors were asked about a call, and it was decided with what they said. `cost`: what asking them has cost, which the accounts
   * above the run pay. `stop`: the denial stops the run as well.
   */
  | {
      readonly kind: 'inspected';
      readonly id: number;
      readonly decision: Decision;
      readonly cost?: Cost;
      readonly stop?: { readonly control: Exclude<Control, 'none'>; readonly by: string; readonly reason: string };
    }
  | { readonly kind: 'held'; readonly why: HoldReason; readonly detail: string }
  | { readonly kind: 'released'; readonly by: string; readonly reason: string }
  /** It was replayed on another runtime than before, and did the same. */
  | { readonly kind: 'restamped'; readonly header: RunHeader }
  /** The run was moved to another version of its agent. */
  | { readonly kind: 'upgraded'; readonly version: Digest; readonly bundle: Digest; readonly by: string }
  /**
   * Ends the entries that a fork shares with its origin. The time until then does not count. `asks`: approvals of calls that
   * still wait were given for the origin, so people are asked again. `pays`: amounts reserved for calls under way are charged to
   * the origin; the fork pays when it makes such a call itself. Both are absent in older journals.
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
   * A step of the ladder, up, or down after a calm. `position`: number of events its detectors had seen. `stays`: the step stays
   * the same because something was observed from outside of the run; the calm starts later.
   */
  | {
      readonly kind: 'step';
      readonly step: LadderStep;
      readonly position: number;
      readonly because: readonly StepReason[];
      readonly stays?: true;
    }
  /**
   * Refusals of a child's effects, or of a child of that, for the detectors of this run. `attempts`: hashes of what each was after
   * and of how that was written.
   */
  | { readonly kind: 'refusals'; readonly child: RunId; readonly agent: AgentName; readonly refused: readonly ChildRefusal[] }
  /** Part of the crank that made it: earlier entries are not needed to go on. */
  | { readonly kind: 'checkpoint'; readonly state: Json; readonly unread: Json; readonly ledger: Json }
  | { readonly kind: 'ended'; readonly outcome: Outcome };

/** One entry of a journal: a crank, or an act of the host. `delivery` and `effects` are the JSON texts as they crossed. */
export interface Entry {
  readonly seq: number;
  readonly at: number;
  readonly delivery: string | undefined;
  readonly effects: string | undefined;
  readonly decisions: readonly Decision[];
  readonly event: HostEvent | undefined;
  readonly cpu_us: number;
  /** CPU time that its host took to decide a crank, if that was more than one turn of the event loop; the run pays for it. */
  readonly decide_us?: number;
  /**
   * Time since the last entry that does not count towards wall time, because the run had something to do and the host gave it no
   * CPU. Negative if the host's clock was set back. Absent: none, or not measured by an older host.
   */
  readonly queued_ms?: number;
  /** For a crank that received a message: its number in the inbox. Absent in older journals. */
  readonly inbox?: number;
  /**
   * The people whose private data the entry may hold, which people have to be to read it: the label of the run after it, with those of values behind
   * handles in it. Absent: not recorded, as in older journals; then it is computed from the journal (`privateIn` of packages/supervisor).
   */
  readonly private_to?: Names;
}
