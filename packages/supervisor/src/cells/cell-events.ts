/** Events of cells. In a file of its own, since those who listen need not know a cell's wire. */
import type { CorralError } from '@corral/protocol/errors';
import type { ProcessExit } from '@corral/protocol/ports/machine';
import type { FaultPayload, FrameHead } from '@corral/protocol/wire/frame';
import type { Task } from './task.ts';

export interface EventsOf<Cell> {
  readonly onReady: (cell: Cell) => void;
  /** The cell can take work again: it was thawed, or has answered a crank that had been taken back. */
  readonly onFree: (cell: Cell) => void;
  readonly onCranked: (cell: Cell, task: Task, effects: string, head: FrameHead) => void;
  readonly onReplayed: (cell: Cell, task: Task, head: FrameHead) => void;
  /** An isolate was made in advance; its heap is 0 if it could not be. */
  readonly onSpared: (cell: Cell, task: Task, head: FrameHead) => void;
  readonly onDescribed: (cell: Cell, task: Task, manifests: string) => void;
  /** The isolate of an assignment is gone; the cell lives on. */
  readonly onFault: (cell: Cell, task: Task | undefined, assignment: number, fault: FaultPayload, head: FrameHead) => void;
  /** The process has ended, by itself or by `kill`. The error is set if the cell broke the protocol. */
  readonly onExit: (cell: Cell, exit: ProcessExit, error: CorralError | undefined) => void;
}
