/** The only place that changes which run is in which cell, in the run and in the cell's occupancy. */
import { loadCpuMs } from '@corral/protocol/limits';
import { segmentSeed } from '../runs/segment.ts';
import { programText } from '../admission/programs.ts';
import type { Run } from '../runs/run.ts';
import type { Cell, SpareOptions } from './cell.ts';
import type { Made } from './isolates.ts';
import { Occupancy } from './occupancy.ts';
import type { BundleText } from './wire.ts';

/** The facts by which the isolate of a run is made: the same for all runs of its bundle that have the same ceilings. */
export interface Load {
  readonly bundle: BundleText;
  readonly options: SpareOptions;
  /** CPU time that loading the bundle may take. */
  readonly load_ms: number;
}

export function loadOf(run: Run): Load {
  const { ceilings } = run.ledger.record;
  const { memory_mib, message_bytes, model_request_bytes, log_bytes } = ceilings;
  const options = { memory_mib, message_bytes, model_request_bytes, log_bytes };
  const bundle = textOf(run);
  return { bundle, options, load_ms: loadCpuMs(bundle.source, ceilings) };
}

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

  /**
   * Makes an isolate for a run in a cell.
   * @param made one that was made in advance, which the run gets instead
   * @returns the run's assignment, by which frames name it
   */
  sit(run: Run, cell: Cell, made?: Made): number {
    const { record } = run.ledger;
    const { bundle, options, load_ms } = loadOf(run);
    const own = {
      agent: record.agent,
      at: record.created_at,
      seed: segmentSeed(record.header.seed, run.ledger.checkpoint?.seq ?? 0),
    };
    const assignment = cell.start(bundle, { ...own, ...options }, load_ms, made);
    run.sit({ cell, assignment });
    const occupancy = this.in(cell);
    occupancy.byAssignment.set(assignment, run);
    if (made === undefined) occupancy.room.made();
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
