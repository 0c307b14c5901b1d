/**
 * What happens to runs in their cells that is no crank taken in: an isolate fails, a cell is lost, a limit is exceeded, a replay
 * differs. Says whose doing it was, and what follows for the run: it ends, or its crank is made again.
 */
import type { CorralError } from '@corral/protocol/errors';
import type { FaultPayload } from '@corral/protocol/wire/frame';
import { MACHINE, type LimitName } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Clock, ProcessExit } from '@corral/protocol/ports/machine';
import type { Cell } from '../cells/cell.ts';
import type { Task } from '../cells/task.ts';
import { billed } from '../cells/usage.ts';
import type { RunLifecycle } from './lifecycle.ts';
import { differenceOf, outcomeOfFault, outcomeOfLoss, runtimeOf, saysOutOfMemory } from './outcomes.ts';
import type { OnCpu, Run } from './run.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { Transitions } from '../events/transitions.ts';

export interface MishapsOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly lifecycle: RunLifecycle;
  /** The image this host gives to isolates. */
  readonly image: string;
  readonly transitions: Transitions;
}

export class Mishaps {
  readonly #options: MishapsOptions;

  constructor(options: MishapsOptions) {
    this.#options = options;
    const { scheduler } = options.transitions;
    scheduler.onFault.listen((run, cell, crank, fault, task, used_ms) => this.#faulted(run, cell, crank, fault, task, used_ms));
    scheduler.onLost.listen((run, crank, exit, error, used_ms) => this.#lost(run, crank, exit, error, used_ms));
    scheduler.onReplayed.listen((run, cell) => this.#replayed(run, cell));
  }

  /** The run's isolate is gone, its cell lives on. */
  #faulted(run: Run, cell: Cell, crank: OnCpu | undefined, fault: FaultPayload, task: Task | undefined, used_ms: number): void {
    if (run.outcome !== undefined) return;
    const stopped = fault.fault === 'timeout' && task !== undefined && task.frozen_ms > 0;
    if (stopped && crank !== undefined && run.setbacks < MACHINE.cell_losses.default) {
      // The cell counted time in which it was stopped. The crank is given up and made again; not for ever, or two that compute
      // without end and stop each other would never meet their limit.
      run.setBack();
      run.queue.putBack(crank);
      this.#options.scheduler.wake(run);
      return;
    }
    if (task?.kind === 'replay') {
      this.#diverged(run, cell, { crank: fault.crank ?? task.crank, ...differenceOf(fault, 'a replay like the first time') });
      return;
    }
    this.#options.lifecycle.endSoon(run, outcomeOfFault(fault, crank, run), false, crank, used_ms);
  }

  /**
   * The cell died under a crank, and nobody here had killed it. Nothing of that crank has left, so it is made again elsewhere,
   * unless the guest itself did it: by what the process said last, or because it happens time and again.
   */
  #lost(run: Run, crank: OnCpu | undefined, exit: ProcessExit, error: CorralError | undefined, used_ms: number): void {
    if (run.outcome !== undefined) return;
    run.lose();
    if (error !== undefined || saysOutOfMemory(exit) || run.losses > MACHINE.cell_losses.default) {
      this.#options.lifecycle.endSoon(run, outcomeOfLoss(exit, error), false, crank, used_ms);
      return;
    }
    if (crank !== undefined) run.queue.putBack(crank);
    this.#options.scheduler.wake(run);
  }

  /** A crank, or a replay, went past what is allowed; its cell is killed for it. */
  exceeded(cell: Cell, run: Run | undefined, limit: LimitName, message: string): void {
    const { task } = cell;
    if (run !== undefined && task?.assignment !== run.seat?.assignment) {
      // It is blamed for what it did before, while another is at work or nobody is.
      if (run.outcome === undefined) this.#options.lifecycle.endSoon(run, { kind: 'exceeded', limit, message }, false);
      this.#options.scheduler.condemn(cell, undefined);
      return;
    }
    const crank = run?.onCpu;
    const used_ms = task === undefined ? 0 : billed(cell, task);
    run?.stopCrank(used_ms, this.#options.clock.monotonic());
    this.#options.scheduler.condemn(cell, run);
    if (run === undefined) return;
    run.leaveCpu();
    if (run.outcome !== undefined) return;
    if (task?.kind === 'replay' && limit === 'crank_wall' && run.setbacks < MACHINE.cell_losses.default) {
      // It stood in the way of others for long, or they in its: that says nothing about the run.
      run.setBack();
      this.#options.scheduler.wake(run);
    } else if (task?.kind === 'replay' && limit === 'cpu')
      this.#diverged(run, cell, {
        crank: task.crank,
        expected: `a replay within ${Math.round(task.limit_ms)} ms of CPU time`,
        seen: 'more',
      });
    else this.#options.lifecycle.endSoon(run, { kind: 'exceeded', limit, message }, false, crank, used_ms);
  }

  /** It was replayed and did what its journal says: on another runtime than before, that is worth a note. */
  #replayed(run: Run, cell: Cell): void {
    const runtime = runtimeOf(run, cell, this.#options.image);
    if (runtime !== undefined && run.outcome === undefined) this.#options.lifecycle.note(run, { kind: 'restamped', header: runtime });
  }

  /** It replays differently. On the runtime it was recorded on, that is the end; on another, somebody must look. */
  #diverged(run: Run, cell: Cell, where: Omit<Extract<Outcome, { kind: 'diverged' }>, 'kind'>): void {
    const runtime = runtimeOf(run, cell, this.#options.image);
    if (runtime === undefined) {
      this.#options.lifecycle.endSoon(run, { kind: 'diverged', ...where }, false);
      return;
    }
    const was = run.ledger.header;
    const detail = `Crank ${where.crank} differs on Node ${runtime.node} (image ${runtime.image}); it ran on Node ${was.node} (image ${was.image}): expected ${where.expected}, saw ${where.seen}.`;
    this.#options.lifecycle.note(run, { kind: 'held', why: 'upgrade', detail });
    this.#options.transitions.observers.tell({ kind: 'held', run: run.id, why: 'upgrade', detail });
  }
}
