/**
 * Handles failures of runs in their cells: an isolate fails, a cell is lost, a limit is exceeded, a replay differs. Decides whether the run
 * is to blame and ends, or whether its crank is repeated.
 */
import type { FaultPayload } from '@corral/protocol/wire/frame';
import { MACHINE, type LimitName } from '@corral/protocol/limits';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Cell } from '../cells/cell.ts';
import type { CellPool } from '../cells/pool.ts';
import { isOfOneRun } from '../cells/household.ts';
import type { Task } from '../cells/task.ts';
import { billed } from '../cells/usage.ts';
import type { RunLifecycle } from './lifecycle.ts';
import { blames, differenceOf, outcomeOfFault, outcomeOfLoss, runtimeOf } from './outcomes.ts';
import type { OnCpu, Run } from './run.ts';
import type { Scheduler } from '../cells/scheduler.ts';
import type { SchedulerEvents } from '../cells/scheduler-events.ts';
import type { Transitions } from '../events/transitions.ts';

export interface MishapsOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly pool: Pick<CellPool, 'hasRoomBeside'>;
  readonly lifecycle: RunLifecycle;
  /** Digest of the image in this host's isolates. */
  readonly image: string;
  readonly transitions: Transitions;
}

export class Mishaps {
  readonly #options: MishapsOptions;
  /** How often a run was the last on the CPU of a cell that broke a rule while it had no work. */
  readonly #suspected = new WeakMap<Run, number>();

  constructor(options: MishapsOptions) {
    this.#options = options;
    const { scheduler } = options.transitions;
    scheduler.onFault.listen((run, cell, crank, fault, task, used_ms) => this.#faulted(run, cell, crank, fault, task, used_ms));
    scheduler.onLost.listen((...loss) => this.#lost(...loss));
    scheduler.onReplayed.listen((run, cell) => this.#replayed(run, cell));
  }

  /** The run's isolate is gone; its cell lives on. */
  #faulted(run: Run, cell: Cell, crank: OnCpu | undefined, fault: FaultPayload, task: Task | undefined, used_ms: number): void {
    if (run.outcome !== undefined) return;
    const late = fault.fault === 'timeout' || fault.fault === 'load_timeout';
    const stopped = late && task !== undefined && task.frozen_ms > 0;
    if (stopped && crank !== undefined && run.setbacks < MACHINE.cell_losses.default) {
      // The cell counted time in which it was frozen, so the crank is repeated. The number of repetitions is limited: two endless cranks
      // that share a slot would otherwise never reach their limit.
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
   * The cell died during a crank, and this host had not killed it. No effect of the crank has left, so it is repeated in another cell,
   * unless the guest is to blame, by the error output of the process or because it happened several times. If the cell had no work, the
   * watch may have been wrong about the run, which then goes on as well.
   */
  #lost(...[run, crank, exit, error, used_ms, working]: Parameters<SchedulerEvents['onLost']>): void {
    if (run.outcome !== undefined) return;
    run.lose();
    if (!working) this.#suspected.set(run, (this.#suspected.get(run) ?? 0) + 1);
    // Another run may have taken the cell over, and a replay has only to say again what its journal says.
    if (working && crank === undefined && !run.isApart && (error !== undefined || blames(exit))) {
      run.accused(undefined);
      this.#options.scheduler.wake(run);
      return;
    }
    const proved = error !== undefined && (working || (this.#suspected.get(run) ?? 0) > MACHINE.cell_losses.default);
    if (proved || blames(exit) || run.losses > MACHINE.cell_losses.default) {
      this.#options.lifecycle.endSoon(run, outcomeOfLoss(exit, error), false, crank, used_ms);
      return;
    }
    if (crank !== undefined) run.queue.putBack(crank);
    // The runs that shared the cell have lost one by it, and are not to lose the next one too.
    if (this.#options.pool.hasRoomBeside(run.tenant)) run.repeatApart();
    this.#options.scheduler.wake(run);
  }

  /** A crank or a replay exceeded a limit: its cell is killed. */
  exceeded(cell: Cell, run: Run | undefined, limit: LimitName, message: string): void {
    const { task } = cell;
    if (run !== undefined && task?.assignment !== run.seat?.assignment) {
      // The run is blamed for memory of its earlier cranks; now another run is on the CPU, or none.
      if (run.outcome === undefined) this.#options.lifecycle.endSoon(run, { kind: 'exceeded', limit, message }, false);
      this.#options.scheduler.killCell(cell, undefined);
      return;
    }
    const crank = run?.onCpu;
    const used_ms = task === undefined ? 0 : billed(cell, task);
    run?.stopCrank(used_ms, this.#options.clock.monotonic());
    this.#options.scheduler.killCell(cell, run);
    if (run === undefined) return;
    run.leaveCpu();
    if (run.outcome !== undefined) return;
    if (task?.kind === 'replay' && limit === 'crank_wall' && run.setbacks < MACHINE.cell_losses.default) {
      // The replay held its cell for long because it had to share the CPU, which is not the fault of the run.
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

  /**
   * The run was replayed without a difference. If the runtime is another than before, the journal records it. A cell that said before that
   * there was a difference is not believed in anything any more.
   */
  #replayed(run: Run, cell: Cell): void {
    const { accuser } = run;
    run.acquit();
    if (accuser !== undefined && accuser !== cell) this.#options.scheduler.killCell(accuser, undefined);
    const runtime = runtimeOf(run, cell, this.#options.image);
    if (runtime !== undefined && run.outcome === undefined) this.#options.lifecycle.note(run, { kind: 'restamped', header: runtime });
  }

  /**
   * A cell says that the run replays differently. If it is the first, it may have been taken over and lie, so the run is replayed in a cell
   * that no other run has been in. If that one says so too, the run ends as `diverged` on the same runtime as before; on another one it is
   * held for a person.
   */
  #diverged(run: Run, cell: Cell, where: Omit<Extract<Outcome, { kind: 'diverged' }>, 'kind'>): void {
    const { accuser } = run;
    if (accuser === undefined || accuser === cell) {
      run.accused(cell);
      // A cell of this run alone would be given it again.
      if (cell.tenure.household !== undefined && isOfOneRun(cell.tenure.household)) this.#options.scheduler.killCell(cell, run);
      this.#options.scheduler.wake(run);
      return;
    }
    const runtime = runtimeOf(run, cell, this.#options.image);
    if (runtime === undefined) {
      this.#options.lifecycle.endSoon(run, { kind: 'diverged', ...where }, false);
      return;
    }
    const was = run.ledger.header;
    const detail = `Crank ${where.crank} differs on Node ${runtime.node} (image ${runtime.image}); it ran on Node ${was.node} (image ${was.image})`;
    // The difference is payload, so it is in the journal alone.
    this.#options.lifecycle.note(run, {
      kind: 'held',
      why: 'upgrade',
      detail: `${detail}: expected ${where.expected}, saw ${where.seen}.`,
    });
    this.#options.transitions.observers.tell({ kind: 'held', run: run.id, why: 'upgrade', detail: `${detail}.` });
  }
}
