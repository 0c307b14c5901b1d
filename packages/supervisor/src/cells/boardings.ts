/** Runs that are brought into a cell by replay. Their journals are read page by page; while one page is replayed, the next one is read. */
import type { ReplayPage } from '@corral/protocol/ports/store';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';

/** State of a run that is being brought into a cell. */
export interface Boarding {
  readonly cell: Cell;
  /** The page that is being read. */
  next: Promise<ReplayPage> | undefined;
  /** The page that is to be replayed now. */
  page: ReplayPage | undefined;
  assignment: number | undefined;
}

export interface BoardingsOptions {
  /** Reads the next page of a run's journal, once all commits of the run that are under way are durable. */
  readonly replayPage: (run: Run, after: number) => Promise<ReplayPage>;
  /** A page was read, and waits for its turn on the cell. */
  readonly onPage: (run: Run, cell: Cell) => void;
  /** The store cannot read the journal now. */
  readonly onUnreadable: (run: Run) => void;
  /** The cell has died or accepts no more runs. */
  readonly onTurnedAway: (run: Run) => void;
}

export class Boardings {
  readonly #options: BoardingsOptions;
  readonly #of = new Map<Run, Boarding>();

  constructor(options: BoardingsOptions) {
    this.#options = options;
  }

  has(run: Run): boolean {
    return this.#of.has(run);
  }

  of(run: Run): Boarding | undefined {
    return this.#of.get(run);
  }

  /** Number of runs that are being brought into a cell. */
  into(cell: Cell): number {
    return this.#of.values().reduce((sum, one) => sum + Number(one.cell === cell), 0);
  }

  begin(run: Run, cell: Cell): void {
    const next = this.#options.replayPage(run, run.ledger.checkpoint?.seq ?? 0);
    const boarding: Boarding = { cell, next, page: undefined, assignment: undefined };
    this.#of.set(run, boarding);
    void this.turnPage(run, boarding);
  }

  /** Called when the run is in the cell, or will not be brought in. */
  end(run: Run): void {
    this.#of.delete(run);
  }

  /** Waits for the page that is being read, and starts reading the one after it. */
  async turnPage(run: Run, boarding: Boarding): Promise<void> {
    const { replayPage, onPage, onUnreadable, onTurnedAway } = this.#options;
    const { cell } = boarding;
    try {
      boarding.page = await boarding.next;
    } catch {
      if (this.#of.get(run) === boarding) onUnreadable(run);
      return;
    }
    if (this.#of.get(run) !== boarding) return;
    if (cell.dead || cell.killed || cell.taken) return onTurnedAway(run);
    boarding.next = boarding.page?.more === true ? replayPage(run, boarding.page.last) : undefined;
    boarding.next?.catch(() => undefined);
    onPage(run, cell);
  }
}
