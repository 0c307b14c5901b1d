/** The oracle's knowledge of one run. */
import type { GrantId, RunId } from '@corral/protocol/ids';
import type { Decision } from '@corral/protocol/model/decision';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Control, RunRecord } from '@corral/protocol/model/run';
import type { Effect } from '@corral/protocol/wire/effect';
import type { Ruling } from './rules.ts';
import type { Wall } from './wall.ts';

/** The knowledge of one run: whether it has read untrusted text, and for each handle whether its value is untrusted. */
interface Knowledge {
  /** The run has begun; before that it knows nothing, not even its input. */
  begun: boolean;
  tainted: boolean;
  /** By index; indexes are used once, so the next index is the size plus one. */
  readonly handles: boolean[];
  /** Handles that the run asked to open, by effect. */
  readonly opening: Map<number, boolean>;
}

export interface KnownCall {
  readonly decision: Decision;
  readonly n: number;
  /** The policies' verdict when the call was decided; it is not decided again when it is made again. */
  readonly ruling: Ruling;
  answered: boolean;
  unknown: boolean;
  /** The agent was told that the result is unknown, possibly in the tool's own words. */
  toldUnknown: boolean;
  /** The result was decided by a person or by the host. */
  settled: boolean;
  /** How often the call may be sent, if it may not be repeated. */
  mayLeave: number;
  /** People who have approved the call. */
  readonly approvedBy: Set<string>;
  /** The state of the approval. */
  approval: 'none' | 'waiting' | 'approved' | 'answered' | 'denied' | 'expired' | 'withdrawn';
  /** The answer of a person to a question, as JSON. */
  answer?: string;
  /** The run no longer awaits it. */
  givenUp?: true;
  /** The call was sent only before cranks that were lost: according to its journal it has not been sent. */
  onlyEarly?: boolean;
  /** The day whose accounts pay for it: the day on which it was decided, approved, or made again by a person. */
  paysOn: string;
  /** The answer comes in parts. */
  stream?: KnownStream;
  /** The store has the answer, so the answer must not be lost from now on. */
  kept?: true;
}

interface KnownStream {
  /** Parts that were delivered, and the attempt that said them. */
  parts: number;
  attempt: number | undefined;
  /** The run has asked for a chunk that was not delivered yet. */
  asked: boolean;
  /** Where the last chunk begins that was given to a cell before the call was settled. */
  begun?: number;
}

/** The durable state of a run. */
export interface Known {
  readonly record: RunRecord;
  epoch: number;
  seq: number;
  parked: boolean;
  control: Control;
  /** The run with whose descendants it was paused. */
  family: RunId | undefined;
  /** Time of the journal's last resume, in milliseconds since 1970. */
  resumedAt: number;
  outcome: Outcome | undefined;
  /** When that became durable. Milliseconds since 1970. */
  endedAt?: number;
  began: number | undefined;
  /** Time of the last crank that a cell began for it. */
  crankedAt?: number;
  paused_ms: number;
  pausedAt: number | undefined;
  /** Its detectors have paused it for a deadlock. */
  deadlocked: boolean;
  readonly wall: Wall;
  readonly calls: Map<number, KnownCall>;
  readonly sends: Map<number, RunId>;
  /** Messages of the run that reached nobody, by the effect that sent them. */
  readonly unreached: Set<number>;
  /** Messages that want a reply, by effect. */
  readonly asks: Map<number, { readonly peer: RunId; readonly grant: GrantId | undefined }>;
  /** Requests that the run has replied to. */
  readonly replied: Set<string>;
  readonly children: Map<number, { readonly run: RunId; told: boolean }>;
  /** `behind`: number of cranks since the timer was due. */
  readonly timers: Map<number, { readonly due: number; over: boolean; behind: number }>;
  /** Names of the messages that were delivered to it. */
  readonly given: Set<string>;
  readonly taken: Set<number>;
  /** `bytes`: what its cranks cost at most; how its purse is charged depends on what stands behind handles. */
  readonly spent: { calls: number; messages: number; children: number; cpu_ms: number; bytes: number };
  /** Bytes of all its deliveries. */
  given_bytes: number;
  cancelled: boolean;
  cancelledTold: boolean;
  /** The influences on what the run knows. */
  readonly knows: Knowledge;
  /** The ladder slows the run: after each crank it gets no delivery for a while. */
  slowed: boolean;
  /** The epoch under which its detectors asked for a pause that is not durable yet. */
  toPause: number | undefined;
  /** The cause of a denial that also stopped the run, until a person resumes it. */
  stoppedBy?: string | undefined;
  /** Number of notices decided and not delivered yet. */
  notices: number;
  finished: (Effect & { kind: 'finish' }) | undefined;
}
