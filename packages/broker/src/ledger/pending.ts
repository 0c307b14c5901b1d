/** Effects of a run that have no answer yet. */
import type { ToolFacts } from '@corral/protocol/model/decision';
import type { Inspected } from '@corral/protocol/model/inspection';
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import type { CallEffect } from '@corral/protocol/wire/effect';
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Budget } from '@corral/protocol/model/manifest';
import type { Label, LabelChange } from '@corral/protocol/model/label';
import type { CallInput, InputRequest } from '@corral/protocol/model/question';
import type { Handled } from '@corral/policy/flow/handled';
import { heapSizeOf } from '@corral/protocol/heap-size';
import type { Tails } from '@corral/policy/flow/streamed';

/** A request to another run that has no reply yet. It is never sent a second time. */
export interface PendingRequest {
  readonly kind: 'request';
  readonly id: number;
  /** `service:claims`, or `mailbox`. */
  readonly what: string;
  /** The run that was asked, if it is known. */
  readonly peer?: RunId;
  readonly reserved: Budget;
  /** As for a call. */
  day?: string;
  readonly grant: GrantId;
  /** When the request times out. Milliseconds since 1970. */
  readonly due?: number;
}

/** A request to lower a label. */
export interface Relabel {
  readonly kind: LabelChange['kind'];
  readonly owner: string;
  /** The label of the run itself, and not of a value. */
  readonly run: boolean;
  readonly before: Label;
  /** How often the run's label had been raised at the time of the request. */
  readonly raised: number;
}

export interface Later {
  readonly day: string;
  readonly reserved: Budget;
}

/** The answer to a call in parts, as far as the run was given it. */
export interface StreamState {
  /** Parts that the run was given. */
  readonly parts: number;
  /** The run waits for the next chunk. */
  readonly asked?: true;
  /** For provenance; absent if labels are not tracked. */
  readonly tails?: Tails;
}

/** A call that waits for approval. */
export interface PendingApproval {
  readonly kind: 'approval';
  readonly id: number;
  readonly call: Omit<PendingCall, 'state' | 'asked_at' | 'kind' | 'given_up'>;
  readonly grant: GrantId;
  readonly digest: string;
  readonly quorum: number;
  readonly approvers?: readonly string[];
  readonly expires_at: number;
  readonly since: number;
  /** People who have approved so far. */
  readonly by: readonly string[];
}

/** A call that waits for inspectors. It is decided when they have answered, as if the run made it then; until then it costs nothing. */
export interface PendingInspection {
  readonly kind: 'inspection';
  readonly id: number;
  readonly effect: CallEffect;
  readonly tool: string;
  readonly grant: GrantId;
  /** The inspectors that are asked. */
  readonly asks: readonly string[];
  /** Findings of those that answered at once. */
  readonly inspected: Inspected;
  readonly since: number;
}

/** A call or request that the host settled in the place of who was asked. For those who watch; nothing is decided by it. */
export interface Settled {
  readonly kind: 'call' | 'request';
  /** The tool, or what the request asked. */
  readonly what: string;
  readonly peer?: RunId;
  /** As of the call. A request has none. */
  readonly asked_at?: number;
}

/** An effect whose reply has not been delivered yet. */
export type Pending =
  | PendingApproval
  | PendingInspection
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly tool: string;
      readonly input: Json;
      readonly reserved: Budget;
      /** The day on which the accounts above the run reserved it; absent if they did not. */
      day?: string;
      /** The part of `reserved` that retries by a person added, with the day of each. */
      later?: readonly Later[];
      readonly timeout_ms: number | undefined;
      readonly attempts?: number | undefined;
      readonly grant: GrantId;
      readonly facts: ToolFacts | undefined;
      /** Findings of inspectors about it. */
      readonly inspected?: Inspected;
      /** The call goes to a service once it is approved. */
      readonly request?: true;
      /** People are asked for its result. */
      readonly question?: true;
      /** Its tool has asked for input. */
      readonly asked_input?: CallInput;
      /** Handles in the arguments; `input` contains their values. */
      readonly handled?: readonly Handled[];
      /** For a tool that keeps data: the label of the arguments; absent where labels are not tracked. */
      readonly label?: Label;
      /** The run gets a handle to the result. */
      readonly as_handle?: true;
      /** Its answer comes in parts. */
      readonly stream?: StreamState;
      /** The label that the owner was asked to lower, and the change that the owner approved. */
      readonly relabel?: Relabel;
      readonly change?: LabelChange;
      /** `unknown`: the call was sent and its result is lost. */
      state: 'going' | 'unknown';
      /** Number of retries by a person; each reserved the price once more. */
      readonly retried?: number;
      /**
       * Set in a fork for a call that its origin made and that was not decided for the fork. `price`: what the fork must reserve to make
       * the call itself; absent once reserved, and in journals of older hosts, where the origin's reservation passed to the fork.
       */
      readonly inherited?: { readonly price?: Budget };
      /** The run no longer awaits it. */
      given_up?: true;
      /** When it was sent, on the monotonic clock of this process; 0 after a restart. Measured, not journaled. */
      asked_at: number;
    }
  | PendingRequest
  | { readonly kind: 'timer'; readonly id: number; readonly due: number }
  | { readonly kind: 'child'; readonly id: number; readonly run: RunId; readonly reserved: Budget }
  /** Answered at once; the delivery is known. */
  | {
      readonly kind: 'decided';
      readonly id: number;
      delivery: PendingDelivery;
      /** A sent message that is not known to have failed. */
      readonly sent?: true;
      /** The value behind a handle that the run opened. */
      readonly opened?: { readonly source: string; readonly label: Label };
      /** The call, if a person has decided its result, or if it is a stream whose capability was taken back. */
      readonly call?: PendingCall;
      /** The call or request that it answers, if it was settled by the host; absent in snapshots of older hosts. */
      readonly of?: Settled;
      /** The withdrawn call, if it waited for approval. */
      readonly asked?: PendingApproval;
    };

export type PendingCall = Extract<Pending, { kind: 'call' }>;

/** A call whose tool has asked for input. */
export type WaitingForInput = PendingApproval & { readonly call: { readonly asked_input: { readonly request: InputRequest } } };

/** Whether people are asked for input that the tool of a call needs. */
export const needsInput = (one: Pending | undefined): one is WaitingForInput =>
  one?.kind === 'approval' && one.call.asked_input?.request !== undefined;

/**
 * Puts a call back that waits for input: its result can be lost meanwhile, and a fork inherits it as a call under way.
 * @returns the call, also if it does not wait; undefined for other effects
 */
export function asUnderWay(
  ledger: { readonly pending: Map<number, Pending>; inFlight: number },
  one: Pending | undefined,
): PendingCall | undefined {
  if (!needsInput(one)) return one?.kind === 'call' ? one : undefined;
  const { question: _, asked_input, ...call } = one.call;
  const again: PendingCall = { kind: 'call', ...call, asked_input: { rounds: asked_input?.rounds ?? 0 }, state: 'going', asked_at: 0 };
  ledger.inFlight += 1;
  ledger.pending.set(one.id, again);
  return again;
}

/** A request to stop the run. */
export interface Cancelled {
  readonly by: string;
  readonly reason: string;
  /** Time of the request in milliseconds since 1970, and the grace period; absent in old snapshots. */
  readonly at?: number;
  readonly grace_ms?: number;
  /** The agent was given the request. */
  told: boolean;
}

/**
 * Approximate bytes of an effect without a reply, besides what it holds; of a call, which is under way in the host too.
 * `test/hostile/kept.long.test.ts` compares them with the heap.
 */
const PENDING_BYTES = 650;
const CALL_BYTES = 2_500;

/** A stream changes its call with every chunk, and the arguments may be long. */
const inputs = new WeakMap<object, number>();

function inputBytes(input: Json): number {
  if (typeof input !== 'object' || input === null) return heapSizeOf(input);
  let bytes = inputs.get(input);
  if (bytes === undefined) inputs.set(input, (bytes = heapSizeOf(input)));
  return bytes;
}

const besides = ({ stream, asked_input }: Pick<PendingCall, 'stream' | 'asked_input'>): number =>
  (stream === undefined ? 0 : heapSizeOf(stream)) + (asked_input === undefined ? 0 : heapSizeOf(asked_input));

/** Approximate bytes that a pending effect takes in memory. Values behind handles are counted with the handles. */
export function pendingBytes(one: Pending): number {
  if (one.kind === 'call') return CALL_BYTES + inputBytes(one.input) + besides(one);
  if (one.kind === 'approval') return PENDING_BYTES + heapSizeOf(one.call.input) + besides(one.call);
  if (one.kind === 'inspection') return PENDING_BYTES + heapSizeOf(one.effect.input);
  return one.kind === 'decided' && one.opened === undefined ? PENDING_BYTES + heapSizeOf(one.delivery) : PENDING_BYTES;
}

export function settledOf(one: PendingCall | PendingRequest | PendingInspection): Settled {
  if (one.kind === 'request') return { kind: 'request', what: one.what, ...(one.peer === undefined ? {} : { peer: one.peer }) };
  return { kind: 'call', what: one.tool, ...(one.kind === 'call' ? { asked_at: one.asked_at } : {}) };
}

/** A pending effect as it was saved. Times of the clock of the process that saved it mean nothing here. */
export function loadedOf(saved: Pending): Pending {
  if (saved.kind === 'call') return { ...saved, asked_at: 0 };
  if (saved.kind !== 'decided') return saved;
  const { of, call, ...rest } = saved;
  return {
    ...rest,
    ...(of === undefined ? {} : { of: of.asked_at === undefined ? of : { ...of, asked_at: 0 } }),
    ...(call === undefined ? {} : { call: { ...call, asked_at: 0 } }),
  };
}
