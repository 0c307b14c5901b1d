/** What the host itself does in cells: it looks at bundles, and replays runs on trial. Each has a cell of its own, which is thrown away. */
import type { TenantId } from '@corral/protocol/ids';
import type { Cell, CellEvents } from './cell.ts';
import { Loans, type LoansOptions } from './loans.ts';
import { Describer } from '../admission/describe.ts';
import { lastWords } from '../runs/outcomes.ts';
import type { Signals } from '../events/signal.ts';
import { Trials, type TrialOptions, type TrialResult } from '../offline/trial.ts';

export interface BorrowedOptions extends LoansOptions {
  /** What cells say; most of them are not borrowed. */
  readonly cells: Signals<CellEvents>;
  /** A cell begins to compute: whoever watches cells should look. */
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
      describer.onGone(cell, `The cell that looked at it ended. ${lastWords(exit)}`.trim());
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

  /** Memory that what is in this cell may use; undefined where it was not borrowed for a replay. */
  memory_mib(cell: Cell): number | undefined {
    return this.#trials.memory_mib(cell);
  }

  /** What goes on in a cell went past what it may use. Says whether the cell was borrowed. */
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
