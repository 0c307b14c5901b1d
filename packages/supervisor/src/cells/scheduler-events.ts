/** Events of the scheduler about runs and their cells. */
import type { CorralError } from '@corral/protocol/errors';
import type { FaultPayload } from '@corral/protocol/wire/frame';
import type { ProcessExit } from '@corral/protocol/ports/machine';
import type { Cell } from './cell.ts';
import type { Task } from './task.ts';
import type { OnCpu, Run } from '../runs/run.ts';

export interface SchedulerEvents {
  /** A run's first crank is about to begin. */
  readonly onBegin: (run: Run) => void;
  readonly onCranked: (run: Run, crank: OnCpu, effects: string, cpu_us: number) => void;
  /** The run's isolate is gone; its cell lives on. */
  readonly onFault: (run: Run, cell: Cell, crank: OnCpu | undefined, fault: FaultPayload, task: Task | undefined, used_ms: number) => void;
  /**
   * The cell died while the run was on its CPU, and this host had not killed it; or the cell broke a rule without having work, and the run
   * was the last on its CPU (`working` is false).
   */
  readonly onLost: (
    run: Run,
    crank: OnCpu | undefined,
    exit: ProcessExit,
    error: CorralError | undefined,
    used_ms: number,
    working: boolean,
  ) => void;
  /** The run's whole journal was replayed in this cell, and matched. */
  readonly onReplayed: (run: Run, cell: Cell) => void;
  readonly onCellReady: (cell: Cell) => void;
  readonly onCellGone: (cell: Cell, exit: ProcessExit) => void;
  /** The crank of a run that was paused has ended by itself, and is discarded: the run has left its cell. */
  readonly onDiscarded: (run: Run) => void;
  /** A run had deliveries, and none of them is for it any more: no crank begins. */
  readonly onRested: (run: Run) => void;
  /** A cell got work. */
  readonly onCpu: () => void;
}
