/** The only place that changes which run is in which cell, in the run and in the cell's occupancy. */
import { segmentSeed } from '../runs/segment.ts';
import { programText } from '../admission/programs.ts';
import type { Run } from '../runs/run.ts';
import type { Cell } from './cell.ts';
import { Occupancy } from './occupancy.ts';
import type { BundleText } from './wire.ts';

export class Seats {
  readonly #cells = new Map<Cell, Occupancy>();
  readonly #cell_memory_mib: number;

  /** @param cell_memory_mib maximum resident memory of a cell */
  constructor(cell_memory_mib: number) {
    this.#cell_memory_mib = cell_memory_mib;
  }

  /** Occupancy of a cell; created if the cell has none yet. */
  in(cell: Cell): Occupancy {
    const occupancy = this.#cells.get(cell) ?? new Occupancy(cell, this.#cell_memory_mib);
    this.#cells.set(cell, occupancy);
    return occupancy;
  }

  /** Occupancy of a cell; undefined if no run has ever been in it or waited for it. */
  found(cell: Cell): Occupancy | undefined {
    return this.#cells.get(cell);
  }

  /** Called when a cell is gone. */
  forget(cell: Cell): void {
    this.#cells.delete(cell);
  }

  runs(cell: Cell): Iterable<Run> {
    return this.#cells.get(cell)?.byAssignment.values() ?? [];
  }

  /** The run that has an assignment in a cell. */
  run(cell: Cell, assignment: number): Run | undefined {
    return this.#cells.get(cell)?.byAssignment.get(assignment);
  }

  /** The run that is on a cell's CPU. */
  onCpu(cell: Cell): Run | undefined {
    return cell.task === undefined ? undefined : this.run(cell, cell.task.assignment);
  }

  /** The run that is on a cell's CPU, or was the last on it and is still in the cell. */
  latest(cell: Cell): Run | undefined {
    return cell.latest === undefined ? undefined : this.run(cell, cell.latest);
  }

  /** Makes an isolate for a run in a cell. @returns the run's assignment, by which frames name it */
  sit(run: Run, cell: Cell): number {
    const { record } = run.ledger;
    const { ceilings } = record;
    const assignment = cell.start(
      textOf(run),
      {
        agent: record.agent,
        at: record.created_at,
        memory_mib: ceilings.memory_mib,
        seed: segmentSeed(record.header.seed, run.ledger.checkpoint?.seq ?? 0),
        message_bytes: ceilings.message_bytes,
        model_request_bytes: ceilings.model_request_bytes,
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

  /** Disposes of a run's isolate, if it has one. */
  leave(run: Run): void {
    const seat = run.leaveSeat();
    if (seat === undefined) return;
    this.#cells.get(seat.cell)?.byAssignment.delete(seat.assignment);
    seat.cell.drop(seat.assignment);
  }
}

/** The code of a run, as it goes to a cell. */
const textOf = ({ bundle: { digest, source }, ledger }: Run): BundleText => programText(ledger.record) ?? { digest, source };
