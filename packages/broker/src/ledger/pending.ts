/** What a run has asked for and has not been answered. */
import type { ToolFacts } from '@corral/protocol/model/decision';
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Budget } from '@corral/protocol/model/manifest';
import type { Label, LabelChange } from '@corral/protocol/model/label';
import type { Handled } from '@corral/policy/flow/handled';
import type { PendingRequest } from './requests.ts';
import type { Relabel } from '../policies/relabel.ts';

export interface Later {
  readonly day: string;
  readonly reserved: Budget;
}

/** A call that waits for people to say whether it may be made. */
export interface PendingApproval {
  readonly kind: 'approval';
  readonly id: number;
  readonly call: Omit<PendingCall, 'state' | 'asked_at' | 'kind' | 'given_up' | 'retried' | 'later' | 'inherited'>;
  readonly grant: GrantId;
  readonly digest: string;
  readonly quorum: number;
  readonly approvers?: readonly string[];
  readonly expires_at: number;
  readonly since: number;
  /** Who has approved so far. */
  readonly by: readonly string[];
}

/** An effect whose reply has not been delivered yet. */
export type Pending =
  | PendingApproval
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly tool: string;
      readonly input: Json;
      readonly reserved: Budget;
      /** The day of which the accounts above the run have reserved it too; absent: they have not. */
      day?: string;
      /** The part of `reserved` that a person's retry added, with the day for which each retry reserved it. */
      later?: readonly Later[];
      readonly timeout_ms: number | undefined;
      readonly attempts?: number | undefined;
      readonly grant: GrantId;
      readonly facts: ToolFacts | undefined;
      /** It goes to a service once people have approved it. */
      readonly request?: true;
      /** Handles in the arguments; `input` has their values. */
      readonly handled?: readonly Handled[];
      /** The run gets a handle to the result. */
      readonly as_handle?: true;
      /** A label that its owner is asked to lower, and what they made of it. */
      readonly relabel?: Relabel;
      readonly change?: LabelChange;
      /** `unknown`: it was dispatched and its reply is lost. */
      state: 'going' | 'unknown';
      /** How often a person had it made again, each time with its price reserved once more. */
      readonly retried?: number;
      /**
       * In a fork: its origin made it, and nothing but that was ever decided about it. `price`: what the fork has to reserve to make it;
       * absent once it has, and in journals of older hosts, where what the origin had reserved was the fork's.
       */
      readonly inherited?: { readonly price?: Budget };
      /** The run awaits it no longer. */
      given_up?: true;
      /** When it left, on the monotonic clock of this process; 0 after a restart. Measured, not journaled. */
      asked_at: number;
    }
  | PendingRequest
  | { readonly kind: 'timer'; readonly id: number; readonly due: number }
  | { readonly kind: 'child'; readonly id: number; readonly run: RunId; readonly reserved: Budget }
  /** Decided on the spot; what is to be delivered is known. */
  | {
      readonly kind: 'decided';
      readonly id: number;
      delivery: PendingDelivery;
      /** A message was sent, and nobody has found that it reached nobody. */
      readonly sent?: true;
      /** It gives the run what was behind a handle. */
      readonly opened?: { readonly source: string; readonly label: Label };
      /** A person said what this call is answered with. */
      readonly call?: PendingCall;
      /** It waited for people, and does not any more. */
      readonly asked?: PendingApproval;
    };

export type PendingCall = Extract<Pending, { kind: 'call' }>;

/** Somebody asked the run to stop. */
export interface Cancelled {
  readonly by: string;
  readonly reason: string;
  /** When, in milliseconds since 1970, and how long it has to tidy up; absent in snapshots from before these were kept. */
  readonly at?: number;
  readonly grace_ms?: number;
  /** Its agent was given that. */
  told: boolean;
}
