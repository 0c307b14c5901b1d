/** The input and the result of deciding a crank. */
import type { Counted } from '@corral/policy/capability/grants';
import type { ContextChange } from '@corral/protocol/model/context';
import type { Decision } from '@corral/protocol/model/decision';
import type { Grant } from '@corral/protocol/model/grant';
import type { GrantId } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { GivenInput } from '@corral/protocol/model/question';
import type { RunRecord } from '@corral/protocol/model/run';
import type { Outgoing } from '@corral/protocol/ports/store';
import type { Tool, ToolCall } from '@corral/protocol/ports/tool';
import type { DecideContext } from './context.ts';
import type { Price } from '../accounts/price.ts';
import type { Cost } from '@corral/protocol/model/cost';
import type { HostEvent } from '@corral/protocol/model/run';
import type { Quarantine } from '@corral/protocol/model/quarantine';

/** A call that may be sent, with its arguments as the tool's schema returned them. */
export interface Dispatch {
  readonly id: number;
  readonly tool: Tool;
  readonly input: Json;
  readonly timeout_ms: number | undefined;
  /** Maximum number of attempts, if the agent gave one; undefined: by the tool's annotations. */
  readonly attempts?: number | undefined;
  /** The run gets a handle to the result. */
  readonly as_handle?: true | undefined;
  /**
   * The answer comes in parts. `asked`: the run waits for the first ones already. `tail_chars`: somebody looks at the answer; see
   * evaluate-passing.ts.
   */
  readonly stream?: { readonly asked: boolean; readonly tail_chars?: number | undefined } | undefined;
  /** The answer to the request for input that its tool has made, or that there is none. */
  readonly given?: GivenInput | undefined;
  /** The tool is told the trace of the call. */
  readonly trace?: true | undefined;
  /** For a tool that keeps data: see `ToolCall`. */
  readonly keeps?: Pick<ToolCall, 'keeps_for' | 'narrowed' | 'label' | 'answered_below'> | undefined;
  /** An error message of the tool may contain data that the run has not read. */
  readonly unread?: boolean;
  readonly price?: Price | undefined;
  /** For a call that is made again: the possible cost of earlier attempts. */
  readonly atLeast?: Cost;
  /** The call changes nothing outside, so it need not wait for the commit. */
  readonly early: boolean;
  /**
   * The call may have been sent before, by a host that has stopped, or before a person had it made again; the result of that is unknown.
   */
  readonly leftBefore?: boolean;
}

/** All consequences of the effects of one crank. */
export interface Batch {
  readonly decisions: Decision[];
  readonly dispatches: Dispatch[];
  readonly outbox: Outgoing[];
  readonly spawned: RunRecord[];
  readonly grants: Grant[];
  /** Counted uses of grants in order: they are stored with the crank, or undone if it is discarded. */
  readonly uses: Counted[];
  readonly timers: { id: number; due: number }[];
  readonly timersDone: number[];
  readonly aborts: number[];
  /** Calls of whose streams the run asks for the next chunk. */
  readonly pulls: number[];
  /** Calls that were withdrawn while they waited for approval. */
  readonly withdrawn: number[];
  /** Calls that were sent before the commit. */
  readonly left: Set<number>;
  /** Grants that the run disposed of. */
  readonly disposed: GrantId[];
  /** `part`: how many events of the crank come before it, stopped ones included. */
  readonly emits: { event: string; data: Json; part: number }[];
  /** Events that the crank emitted, stopped ones included. */
  emitted: number;
  /** Changes to the run's circumstances. */
  readonly context: ContextChange[];
  readonly logs: { level: string; text: string }[];
  /** Consequences of denials beyond the denials themselves. */
  readonly consequences: Consequence[];
  /** The stop that these cause. */
  stop: Stop | undefined;
  /** The outcome in place of an output that policies withhold. */
  withheld: Outcome | undefined;
  /** The text that people and the parent are told in place of the agent's words about its failure, if policies withhold those. */
  muted: string | undefined;
  /** The outcome, if the run ends. Nothing of a crank that broke the broker's rules is sent. */
  outcome: Outcome | undefined;
  /** The message that the run's sends answer, and whether the run changed something in between. */
  cause: Cause | undefined;
}

/** A stop that a denial causes besides refusing the call: in memory at once, and durable with the crank that was denied something. */
export interface Stop {
  /** The control event for the run; undefined if the crank ends the run, or if the run is stopped already. */
  readonly event: Extract<HostEvent, { kind: 'control' }> | undefined;
  /** The quarantine of the version of its agent; undefined if there is one already. */
  readonly quarantine: Quarantine | undefined;
  /** The commit is durable. */
  readonly kept: () => void;
  /** The commit was refused: the crank will be made again, and with it the denial. */
  readonly refused: () => void;
}

/** The consequence of a denial for the run: by rules of the policies, or because an account above it is spent. */
export interface Consequence {
  readonly kind: 'pause' | 'quarantine';
  readonly rules: readonly string[];
  /** The account, as a sentence. */
  readonly spent?: string;
}

export interface Cause {
  readonly message: string;
  readonly progress: boolean;
}

export const emptyBatch = (): Batch => ({
  decisions: [],
  dispatches: [],
  outbox: [],
  spawned: [],
  grants: [],
  uses: [],
  timers: [],
  timersDone: [],
  aborts: [],
  pulls: [],
  withdrawn: [],
  left: new Set(),
  disposed: [],
  emits: [],
  emitted: 0,
  context: [],
  logs: [],
  consequences: [],
  stop: undefined,
  withheld: undefined,
  muted: undefined,
  outcome: undefined,
  cause: undefined,
});

/** A batch that sends nothing. @param before decisions made so far; they are recorded nevertheless */
export function ended(outcome: Outcome, before: Pick<Batch, 'decisions' | 'consequences' | 'uses'> = emptyBatch()): Batch {
  const { decisions, consequences, uses } = before;
  return { ...emptyBatch(), decisions, consequences, uses, outcome };
}

/**
 * Gives back what a batch took that is not sent: nobody holds the grants that it would have handed out, nor those of its children, and
 * the breakers of agents get back the trials that its children would have been.
 */
export function letGo(
  { grants, standing }: Pick<DecideContext, 'grants' | 'standing'>,
  batch: Pick<Batch, 'outbox' | 'grants' | 'spawned'>,
): void {
  for (const child of batch.spawned) standing?.neverBegan(child);
  for (const { grants: given = [] } of batch.outbox) for (const { id } of given) grants.release(id);
  for (const { id } of batch.grants) grants.release(id);
}

/** The calls of a crank that ends its run, less those that were sent early. */
export const unsentIn = ({ decisions, left }: Batch): ReadonlySet<number> =>
  new Set(decisions.flatMap(({ id }) => (left.has(id) ? [] : [id])));

/** Effects of a crank that are answered at once. Later decisions are reported by the code that makes them. */
export const refusedIn = ({ decisions }: Batch): number[] =>
  decisions.flatMap(({ id, verdict, tool }) => (verdict !== 'deny' && tool !== undefined ? [] : [id]));
