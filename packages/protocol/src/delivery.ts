/**
 * What a crank begins with. Made by the host alone, so these are types; they are parsed only when they come back from
 * a journal. `at` is the only time an isolate knows: milliseconds since the epoch, constant within the crank.
 */
import type { Cost } from './cost.ts';
import type { ErrorData } from './errors.ts';
import type { AgentName, GrantId, PrincipalId, RunId } from './ids.ts';
import type { CarriedHandle, HandleView, PlacedHandle } from './handle.ts';
import type { Json } from './json.ts';
import type { Label } from './label.ts';
import type { Budget } from './manifest.ts';
import type { Outcome } from './outcome.ts';

/** How the guest sees one of its capabilities. */
export interface CapabilityView {
  readonly cap: number;
  readonly kind: 'tool' | 'mailbox';
  /** A tool's name; for a mailbox, its agent's. */
  readonly name: string;
}

export interface StartDelivery {
  readonly kind: 'start';
  readonly at: number;
  readonly run: RunId;
  readonly input: Json;
  readonly caps: Readonly<Record<string, CapabilityView>>;
  readonly budget: Budget;
  /** What the run's last checkpoint carries; absent at its very start. */
  readonly state?: Json;
  /** The number its next effect will have, where that is not 1. */
  readonly next_id?: number;
  /** The index of the next capability it is given, where that is not the one after those in `caps`. */
  readonly next_cap?: number;
  /** Handles in `input`, `state` and `unread`. */
  readonly handles?: readonly PlacedHandle[];
  /** The index of the next handle it is given, where that is not 1. */
  readonly next_handle?: number;
  /** Messages it was given before the checkpoint and had not read. */
  readonly unread?: readonly {
    readonly from: MessageDelivery['from'];
    readonly body: Json;
    readonly caps?: Readonly<Record<string, CapabilityView>>;
    readonly request?: number;
  }[];
}
/** Results of effects. More than one where the host settles several at once, such as the sends of one crank. */
export interface ReplyDelivery {
  readonly kind: 'reply';
  readonly at: number;
  readonly results: readonly Result[];
  /** Of what whoever replied knew, where that was another run; absent as in a message. */
  readonly label?: Label;
  /** Length of the causal chain that led to it, where another run replied. */
  readonly depth?: number;
}
/**
 * `attempts`: how often a call was tried, where that is more than once. `cost`: what it cost of what was reserved; left out: all of it.
 * `handle`: the run asked not to read it, so the value stays with the host; the handle's index is the run's next one, counted alike on both
 * sides of the wall. `unread`: the error may repeat what the run has not read, so its words stay with the host. `detail`: what operators
 * read of the failure, such as a stack; it stays with the host too.
 */
export type Result =
  | { readonly id: number; readonly value: Json; readonly attempts?: number; readonly cost?: Cost; readonly handle?: HandleView }
  | {
      readonly id: number;
      readonly error: ErrorData;
      readonly attempts?: number;
      readonly cost?: Cost;
      readonly unread?: true;
      readonly detail?: string;
    };
/** A capability in a message. Its index is the receiver's next one, counted alike on both sides of the wall. */
export interface CarriedCapability {
  readonly alias: string;
  readonly kind: CapabilityView['kind'];
  readonly name: string;
  /** No authority: an isolate has indexes only. */
  readonly grant: GrantId;
}
export interface MessageDelivery {
  readonly kind: 'message';
  readonly at: number;
  /** Stamped by the channel. */
  readonly from: { readonly run: RunId; readonly agent: AgentName; readonly principal?: PrincipalId };
  readonly body: Json;
  /** It wants a reply: the number of the sender's effect. */
  readonly request?: number;
  /** In the order of their indexes; absent where there are none. */
  readonly caps?: readonly CarriedCapability[];
  /** In `body`, in the order of their indexes. */
  readonly handles?: readonly CarriedHandle[];
  /** Of what the sender knew; absent where no stranger could have influenced it and nothing in it is private. */
  readonly label?: Label;
  /** Length of the causal chain that led to this message, from 1. */
  readonly depth: number;
  /** How many turns of services there are in that chain, with the one that this may begin; absent: no other. */
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
  /** The spawn effect. */
  readonly id: number;
  readonly run: RunId | undefined;
  readonly outcome: Outcome;
  /** In `outcome.output`; their paths begin with `outcome`. */
  readonly handles?: readonly CarriedHandle[];
  readonly label?: Label;
  /** The outcome has nothing but a narrow value in it, so that the label lacks the influence of what the child read. */
  readonly narrowed?: true;
  /** What the child spent of the purse that was moved to it; the remainder is the parent's again. */
  readonly spent: Budget;
}
export interface CancelDelivery {
  readonly kind: 'cancel';
  readonly at: number;
  readonly reason: string;
  /** Whatever the agent waits for rejects, besides its signal; absent in journals from before that was so. */
  readonly reaches_awaits?: true;
}
/** The host has seen the run go in circles, and tells it so while it can still change course. */
export interface NoticeDelivery {
  readonly kind: 'notice';
  readonly at: number;
  /** What saw it, such as `repeat` or `runaway`. */
  readonly detector: string;
  /** One sentence, which names no other run. */
  readonly text: string;
}

export type Delivery =
  | StartDelivery
  | ReplyDelivery
  | MessageDelivery
  | TimerDelivery
  | ChildEndedDelivery
  | CancelDelivery
  | NoticeDelivery;
/** A delivery that waits: its time is stamped when it is delivered. */
export type PendingDelivery = Delivery extends infer D ? (D extends Delivery ? Omit<D, 'at'> : never) : never;
