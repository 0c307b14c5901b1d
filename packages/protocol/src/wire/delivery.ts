/**
 * The start of a crank. Deliveries are made by the host alone, so these are types; they are parsed only when they are read from a
 * journal. `at` is the only time an isolate knows: milliseconds since 1970, constant within the crank.
 */
import type { Cost } from '../model/cost.ts';
import type { ErrorData } from '../errors.ts';
import type { AgentName, GrantId, PrincipalId, RunId } from '../ids.ts';
import type { CarriedHandle, HandleView, PlacedHandle } from './handle.ts';
import type { Json } from '../json.ts';
import type { AnswerInspection } from '../model/inspection.ts';
import type { Kept, Label } from '../model/label.ts';
import type { Budget } from '../model/manifest.ts';
import type { Outcome } from '../model/outcome.ts';

/** @see OriginPattern for the form of origins */
export interface Reaches {
  readonly origins: readonly string[];
  readonly methods: readonly string[];
}

/** A capability as the guest sees it. */
export interface CapabilityView {
  readonly cap: number;
  readonly kind: 'tool' | 'mailbox';
  /** The tool's name; for a mailbox, its agent's name. */
  readonly name: string;
  /**
   * A tool's description, and the JSON Schema of its arguments (`input`). Only for an agent whose manifest asks for it; null: those of the
   * tools before it left no room (`told_tools_bytes`).
   */
  readonly description?: string | null;
  readonly input?: Json;
  /** For `http:NAME`: the origins that it reaches, and by which methods, so that `fetch` finds it. */
  readonly reaches?: Reaches;
}

export interface StartDelivery {
  readonly kind: 'start';
  readonly at: number;
  readonly run: RunId;
  readonly input: Json;
  readonly caps: Readonly<Record<string, CapabilityView>>;
  readonly budget: Budget;
  /** The state of the run's last checkpoint; absent at its very start. */
  readonly state?: Json;
  /** The number of its next effect, if not 1. */
  readonly next_id?: number;
  /** The index of its next capability, if not the one after those in `caps`. */
  readonly next_cap?: number;
  /** Handles in `input`, `state` and `unread`. */
  readonly handles?: readonly PlacedHandle[];
  /** The index of its next handle, if not 1. */
  readonly next_handle?: number;
  /** Messages that it had received and not read before the checkpoint. */
  readonly unread?: readonly {
    readonly from: MessageDelivery['from'];
    readonly body: Json;
    readonly caps?: Readonly<Record<string, CapabilityView>>;
    readonly request?: number;
  }[];
}
/** Results of effects. Several if the host settles several at once, such as the sends of one crank. */
export interface ReplyDelivery {
  readonly kind: 'reply';
  readonly at: number;
  readonly results: readonly Result[];
  /** Label of the run that replied; absent under the same conditions as in a message. */
  readonly label?: Label;
  /** Length of the causal chain, if another run replied. */
  readonly depth?: number;
}
/**
 * `attempts`: number of attempts of a call, if more than one. `cost`: what it cost of what was reserved; left out: all of it.
 * `handle`: the run asked not to read the value, so it stays with the host; the handle's index is the run's next one, counted in
 * the same way on both sides. `unread`: the error may repeat data that the run has not read, so its text stays with the host.
 * `detail`: details of the failure for operators, such as a stack; it stays with the host too. `may_have_acted`: an attempt was lost after its
 * tool began, or took too long, so the failure does not say that nothing was done; for operators as well. `inspected`: what inspectors said of
 * the answer, and whether policies let it pass; the host keeps it as well. `kept`: the value was kept by a tool, with this label; for the host
 * alone too.
 */
export type Result = (
  | {
      readonly id: number;
      readonly value: Json;
      readonly attempts?: number;
      readonly cost?: Cost;
      readonly handle?: HandleView;
      readonly kept?: Kept;
    }
  | {
      readonly id: number;
      readonly error: ErrorData;
      readonly attempts?: number;
      readonly cost?: Cost;
      readonly unread?: true;
      readonly detail?: string;
      readonly may_have_acted?: true;
    }
) & { readonly inspected?: AnswerInspection };
/** The next parts of a stream. It answers a `pull`, and a reply under the same number ends the stream. */
export interface ChunkDelivery {
  readonly kind: 'chunk';
  readonly at: number;
  /** Number of the call. */
  readonly id: number;
  /** Parts of the stream before these. */
  readonly offset: number;
  /** At least one. */
  readonly parts: readonly Json[];
  /** Findings about the stream up to here, where they are new; they stay with the host. */
  readonly inspected?: AnswerInspection;
}
/** A capability in a message. Its index is the receiver's next one, counted in the same way on both sides. */
export interface CarriedCapability {
  readonly alias: string;
  readonly kind: CapabilityView['kind'];
  readonly name: string;
  /** This id gives no authority: an isolate uses indexes only. */
  readonly grant: GrantId;
}
export interface MessageDelivery {
  readonly kind: 'message';
  readonly at: number;
  /** Set by the host from the channel, never by the sender. */
  readonly from: { readonly run: RunId; readonly agent: AgentName; readonly principal?: PrincipalId };
  readonly body: Json;
  /** Set if a reply is expected: the number of the sender's effect. */
  readonly request?: number;
  /** In the order of their indexes; absent if there are none. */
  readonly caps?: readonly CarriedCapability[];
  /** In `body`, in the order of their indexes. */
  readonly handles?: readonly CarriedHandle[];
  /** Label of the sender; absent if no stranger could have influenced it and nothing in it is private. */
  readonly label?: Label;
  /** Length of the causal chain that led to this message, from 1. */
  readonly depth: number;
  /** Number of service turns in that chain, including the one that this message may begin; absent: no other. */
  readonly hops?: number;
}
export interface TimerDelivery {
  readonly kind: 'timer';
  readonly at: number;
  readonly id: number;
}
export interface ChildEndedDelivery {
  readonly kind: 'child_ended';
  readonly at: number;
  /** Number of the spawn effect. */
  readonly id: number;
  readonly run: RunId | undefined;
  readonly outcome: Outcome;
  /** In `outcome.output`; their paths begin with `outcome`. */
  readonly handles?: readonly CarriedHandle[];
  readonly label?: Label;
  /** The outcome contains only a narrow value, so its label leaves out the influence of what the child read. */
  readonly narrowed?: true;
  /** Amounts that the child spent; the remainder goes back to the parent. */
  readonly spent: Budget;
}
export interface CancelDelivery {
  readonly kind: 'cancel';
  readonly at: number;
  readonly reason: string;
  /** Promises that the agent waits for reject as well, besides its signal; absent in older journals, in which they did not. */
  readonly reaches_awaits?: true;
}
/** A finding of the detectors, sent to the run so that its agent can still change course. */
export interface NoticeDelivery {
  readonly kind: 'notice';
  readonly at: number;
  /** The detector, such as `repeat` or `runaway`. */
  readonly detector: string;
  /** One sentence; it names no other run. */
  readonly text: string;
}

export type Delivery =
  | StartDelivery
  | ReplyDelivery
  | ChunkDelivery
  | MessageDelivery
  | TimerDelivery
  | ChildEndedDelivery
  | CancelDelivery
  | NoticeDelivery;
/** A queued delivery: `at` is set when it is delivered. */
export type PendingDelivery = Delivery extends infer D ? (D extends Delivery ? Omit<D, 'at'> : never) : never;
