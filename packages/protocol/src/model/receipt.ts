/** The answer to an operation on a run: what was done, measured (DESIGN 3.8). */
import type { RunId } from '../ids.ts';
import type { Control, Lifecycle } from './run.ts';

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
  /** Receipts of its child runs. */
  readonly children: readonly Receipt[];
}
