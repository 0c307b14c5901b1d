/** Which run sits in which cell: the owner of that, on both sides. */
import { segmentSeed } from '../runs/segment.ts';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';
import { Occupancy } from './occupancy.ts';

export class Seats {
  readonly #cells = new Map<Cell, Occupancy>();
  readonly #cell_memory_mib: number;

  /** @param cell_memory_mib resident memory a cell may hold */
  constructor(cell_memory_mib: number) {
    this.#cell_memory_mib = cell_memory_mib;
  }

  in(cell: Cell): Occupancy {
    const occupancy = this.#cells.get(cell) ?? new Occupancy(cell, this.#cell_memory_mib);
    this.#cells.set(cell, occupancy);
    return occupancy;
  }

  /** As above, where somebody has sat or waited there. */
  found(cell: Cell): Occupancy | undefined {
    return this.#cells.get(cell);
  }

  /** A cell is gone. */
  forget(cell: Cell): void {
    this.#cells.delete(cell);
  }

  runs(cell: Cell): Iterable<Run> {
    return this.#cells.get(cell)?.byAssignment.values() ?? [];
  }

  /** The run of an assignment. */
  run(cell: Cell, assignment: number): Run | undefined {
    return this.#cells.get(cell)?.byAssignment.get(assignment);
  }

  /** The run that a cell is working for. */
  onCpu(cell: Cell): Run | undefined {
    return cell.task === undefined ? undefined : this.run(cell, cell.task.assignment);
  }

  /** Makes an isolate for a run. @returns how the run is called in this cell from now on */
  sit(run: Run, cell: Cell): number {
    const { record } = run.ledger;
    const { ceilings } = record;
    const assignment = cell.start(
      { digest: run.bundle.digest, source: run.bundle.source },
      {
        agent: record.agent,
        at: record.created_at,
        memory_mib: ceilings.memory_mib,
        seed: segmentSeed(record.header.seed, run.ledger.checkpoint?.seq ?? 0),
        message_bytes: ceilings.message_bytes,
        log_bytes: ceilings.log_bytes,
      },
      ceilings.crank_cpu_ms,
    );
    run.sit({ cell, assignment });
    const occupancy = this.in(cell);
    occupancy.byAssignment.set(assignment, run);
    occupancy.room.made();
    return assignment;
  }

  /** Gives up a run's isolate, if it has one. */
  leave(run: Run): void {
    const seat = run.leaveSeat();
    if (seat === undefined) return;
    this.#cells.get(seat.cell)?.byAssignment.delete(seat.assignment);
    seat.cell.drop(seat.assignment);
  }
}
