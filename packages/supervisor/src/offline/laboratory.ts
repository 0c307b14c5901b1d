/**
 * A host without runs: it has only cells, in which journals are replayed and bundles are described. It starts no run of a data folder, and
 * nothing that it does has effects outside of it.
 */
import { CorralError } from '@corral/protocol/errors';
import type { ReadyPayload } from '@corral/protocol/wire/frame';
import { MACHINE } from '@corral/protocol/limits';
import type { CellLauncher, Clock, Random } from '@corral/protocol/ports/machine';
import { Borrowed } from '../cells/borrowed.ts';
import { CellPool } from '../cells/pool.ts';
import { lastWords } from '../runs/outcomes.ts';
import { emitters } from '../events/signal.ts';
import { Transitions } from '../events/transitions.ts';
import type { TrialOptions, TrialResult } from './trial.ts';
import { CpuWatchdog } from '../cells/cpu-watchdog.ts';

export interface LaboratoryOptions {
  readonly launcher: CellLauncher;
  readonly clock: Clock;
  readonly random: Random;
  /** Cores of the machine. */
  readonly cores: number;
}

export class Laboratory {
  readonly #pool: CellPool;
  readonly #watch: CpuWatchdog;
  readonly #borrowed: Borrowed;
  readonly #runtime = Promise.withResolvers<ReadyPayload>();

  constructor({ launcher, clock, random, cores }: LaboratoryOptions) {
    const nothing = () => undefined;
    const maxCells = Math.max(2, cores);
    this.#runtime.promise.catch(nothing);
    const { cells, scheduler } = new Transitions();
    this.#pool = new CellPool({ launcher, clock, random, spares: 1, cellsPerTenant: () => 0, maxCells, events: emitters(cells) });
    const pool = this.#pool;
    cells.onReady.listen(({ runtime }) => runtime && this.#runtime.resolve(runtime));
    cells.onExit.listen((_, exit) => {
      const words = lastWords(exit);
      if (pool.hopeless)
        this.#runtime.reject(
          new CorralError('CORRAL_CELL_START', `Cells do not start on this machine: ${words || `exit code ${exit.code}`}.`),
        );
    });
    // There are no runs here that would need the cells.
    this.#borrowed = new Borrowed({ borrow: () => pool.borrow(), most: maxCells, each: maxCells, cells, onCpu: scheduler.onCpu.emit });
    this.#watch = new CpuWatchdog({
      clock,
      cells: () => pool.cells,
      slots: Math.max(1, cores - 1),
      memory_mib: (cell) => this.#borrowed.memory_mib(cell) ?? MACHINE.cell_rss_slack_mib.default,
      cell_memory_mib: MACHINE.cell_memory_mib.default,
      onRogue: (cell) => cell.kill(),
      onCalm: nothing,
      onExceeded: (cell, _assignment, _limit, message) => {
        if (!this.#borrowed.exceeded(cell, message)) cell.kill();
      },
      onStuck: nothing,
      onFull: nothing,
    });
    scheduler.onCpu.listen(() => this.#watch.poke());
  }

  /** Manifests of some bundles of one author, as returned by the bundles' own code. @see Describer.describe */
  describe(sources: readonly string[]): Promise<readonly unknown[]> {
    return this.#borrowed.describe(sources, undefined);
  }

  /** @see Trials.run */
  trial(options: TrialOptions): Promise<TrialResult> {
    return this.#borrowed.trial(options);
  }

  /**
   * Versions of Node, V8 and ICU in its cells.
   * @throws CORRAL_CELL_START
   */
  runtime(): Promise<ReadyPayload> {
    return this.#runtime.promise;
  }

  close(): void {
    this.#watch.close();
    this.#pool.close();
  }
}
