/** The host's own work in cells: describing bundles and trial replays. Each has a separate cell, which is killed afterwards. */
import type { TenantId } from '@corral/protocol/ids';
import type { Cell, CellEvents } from './cell.ts';
import { Loans, type LoansOptions } from './loans.ts';
import { Describer } from '../admission/describe.ts';
import { lastWords } from '../runs/outcomes.ts';
import type { Signals } from '../events/signal.ts';
import { Trials, type TrialOptions, type TrialResult } from '../offline/trial.ts';

export interface BorrowedOptions extends LoansOptions {
  /** Events of all cells, of which most are not borrowed. */
  readonly cells: Signals<CellEvents>;
  /** A cell got work, so the watchdog should check it soon. */
  readonly onCpu: () => void;
}

export class Borrowed {
  readonly #loans: Loans;
  readonly #describer: Describer;
  readonly #trials: Trials;

  constructor(options: BorrowedOptions) {
    const { cells, onCpu } = options;
    this.#loans = new Loans(options);
    this.#trials = new Trials((tenant) => this.#loans.borrow(tenant), cells, onCpu);
    this.#describer = new Describer((tenant) => this.#loans.borrow(tenant));
    const describer = this.#describer;
    cells.onReady.listen((cell) => describer.next(cell));
    cells.onDescribed.listen((cell, _, manifests) => describer.onDescribed(cell, { manifests }));
    cells.onFault.listen((cell, task, _, fault) => {
      if (task?.kind === 'describe') describer.onDescribed(cell, { fault });
    });
    cells.onExit.listen((cell, exit) => {
      describer.onGone(cell, `The cell ended before it had described the bundle. ${lastWords(exit)}`.trim());
      this.#loans.gone(cell);
    });
  }

  /** @see Describer.describe */
  describe(sources: readonly string[], tenant: TenantId | undefined): Promise<readonly unknown[]> {
    return this.#describer.describe(sources, tenant);
  }

  /** @see Trials.run */
  trial(options: TrialOptions): Promise<TrialResult> {
    return this.#trials.run(options);
  }

  /** Memory ceiling of the run that is replayed in this cell; undefined if the cell was not borrowed for a replay. */
  memory_mib(cell: Cell): number | undefined {
    return this.#trials.memory_mib(cell);
  }

  /** Called when the task of a cell exceeded a limit. @returns whether the cell was borrowed, and the work in it ended */
  exceeded(cell: Cell, message: string): boolean {
    if (this.#trials.exceeded(cell, message)) return true;
    if (cell.task?.kind !== 'describe') return false;
    this.#describer.onGone(cell, `The bundle could not be loaded: ${message}`);
    cell.kill();
    return true;
  }

  close(): void {
    this.#loans.close();
  }
}
