/** Runs that are brought into a cell by replay. Their journals are read page by page; while one page is replayed, the next one is read. */
import type { ReplayPage } from '@corral/protocol/ports/store';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';

/** State of a run that is being brought into a cell. */
export interface CellReplay {
  readonly cell: Cell;
  /** The page that is being read. */
  next: Promise<ReplayPage> | undefined;
  /** The page that is to be replayed now. */
  page: ReplayPage | undefined;
  assignment: number | undefined;
}

export interface CellReplaysOptions {
  /** Reads the next page of a run's journal, once all commits of the run that are under way are durable. */
  readonly replayPage: (run: Run, after: number) => Promise<ReplayPage>;
  /** A page was read, and waits for its turn on the cell. */
  readonly onPage: (run: Run, cell: Cell) => void;
  /** The store cannot read the journal now. */
  readonly onUnreadable: (run: Run) => void;
  /** The cell has died or accepts no more runs. */
  readonly onRefused: (run: Run) => void;
}

export class CellReplays {
  readonly #options: CellReplaysOptions;
  readonly #of = new Map<Run, CellReplay>();

  constructor(options: CellReplaysOptions) {
    this.#options = options;
  }

  has(run: Run): boolean {
    return this.#of.has(run);
  }

  of(run: Run): CellReplay | undefined {
    return this.#of.get(run);
  }

  /** Number of runs that are being brought into a cell. */
  into(cell: Cell): number {
    return this.#of.values().reduce((sum, one) => sum + Number(one.cell === cell), 0);
  }

  begin(run: Run, cell: Cell): void {
    const next = this.#options.replayPage(run, run.ledger.checkpoint?.seq ?? 0);
    const replay: CellReplay = { cell, next, page: undefined, assignment: undefined };
    this.#of.set(run, replay);
    void this.turnPage(run, replay);
  }

  /** Called when the run is in the cell, or will not be brought in. */
  end(run: Run): void {
    this.#of.delete(run);
  }

  /** Waits for the page that is being read, and starts reading the one after it. */
  async turnPage(run: Run, replay: CellReplay): Promise<void> {
    const { replayPage, onPage, onUnreadable, onRefused } = this.#options;
    const { cell } = replay;
    try {
      replay.page = await replay.next;
    } catch {
      if (this.#of.get(run) === replay) onUnreadable(run);
      return;
    }
    if (this.#of.get(run) !== replay) return;
    if (cell.dead || cell.killed || cell.taken) return onRefused(run);
    replay.next = replay.page?.more === true ? replayPage(run, replay.page.last) : undefined;
    replay.next?.catch(() => undefined);
    onPage(run, cell);
  }
}
