/** The answer to an operation on a run: what was done, measured (ARCHITECTURE.md, "Kill and pause, proved"). */
import type { RunId } from '../ids.ts';
import type { Control, Lifecycle } from './run.ts';

/** The node that held a run when another one ended it. */
export interface Fenced {
  readonly node: string;
  /** When its lease has run out unless it has learned of it. Milliseconds since 1970; left out: it has no lease. */
  readonly until?: number;
}

/**
 * `answered`: its tool had answered, and its agent is not given that. `failed`: it had failed. `unmade`: it waited for people or inspectors, and
 * is not made. `aborted`: its tool was told to stop, and may have acted. `unknown`: its result was lost before, or its tool was told to stop
 * before and has not answered.
 */
export const CALL_FATES = ['answered', 'failed', 'unmade', 'aborted', 'unknown'] as const;

/** A call that had no result when its grant was revoked. */
export interface StoppedCall {
  readonly call: number;
  readonly tool: string;
  readonly fate: (typeof CALL_FATES)[number];
}

export interface Receipt {
  readonly run: RunId;
  readonly operation: 'pause' | 'resume' | 'cancel' | 'kill';
  readonly by: string;
  readonly reason: string;
  /** From the request until no instruction of the run could execute any more. Milliseconds. */
  readonly latency_ms: number;
  readonly lifecycle: Lifecycle;
  readonly control: Control;
  /** Its cell was killed because the run was on its CPU. */
  readonly cell_killed: boolean;
  readonly grants_revoked: number;
  readonly calls_aborted: number;
  /** Aborted calls of unknown result: they had left and may not be repeated. */
  readonly calls_unknown: readonly number[];
  /**
   * The run was taken from this node, which was alive and learns of it with its next sign of life. It can write nothing for the run any
   * more; calls of cranks that were durable before may still leave it, at the latest at `until`.
   */
  readonly fenced?: Fenced;
  /** Children that other nodes hold, which this command did not reach; they end with the run. */
  readonly not_reached?: readonly RunId[];
  /** Receipts of its child runs. */
  readonly children: readonly Receipt[];
}
