/** Runs on their way into a cell by replay: their journal is read page by page, the next one while one is replayed. */
import type { ReplayPage } from '@corral/protocol/ports/store';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';

/** A run on its way into a cell. */
export interface Boarding {
  readonly cell: Cell;
  /** The page that is being read. */
  next: Promise<ReplayPage> | undefined;
  /** The page whose turn it is. */
  page: ReplayPage | undefined;
  assignment: number | undefined;
}

export interface BoardingsOptions {
  /** The next part of a run's journal to be replayed, once everything handed over for it is durable. */
  readonly replayPage: (run: Run, after: number) => Promise<ReplayPage>;
  /** A page is there, and waits for its turn on the cell. */
  readonly onPage: (run: Run, cell: Cell) => void;
  /** The store cannot read it now. */
  readonly onUnreadable: (run: Run) => void;
  /** The cell takes nobody any more. */
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

  /** How many are on their way into a cell. */
  into(cell: Cell): number {
    return this.#of.values().reduce((sum, one) => sum + Number(one.cell === cell), 0);
  }

  begin(run: Run, cell: Cell): void {
    const next = this.#options.replayPage(run, run.ledger.checkpoint?.seq ?? 0);
    const boarding: Boarding = { cell, next, page: undefined, assignment: undefined };
    this.#of.set(run, boarding);
    void this.turnPage(run, boarding);
  }

  /** It is in, or does not come. */
  end(run: Run): void {
    this.#of.delete(run);
  }

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
    if (cell.dead || cell.doomed || cell.taken) return onTurnedAway(run);
    boarding.next = boarding.page?.more === true ? replayPage(run, boarding.page.last) : undefined;
    boarding.next?.catch(() => undefined);
    onPage(run, cell);
  }
}
