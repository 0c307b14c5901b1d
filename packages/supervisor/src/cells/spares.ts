/**
 * Isolates that are made in advance. Loading a bundle is most of a run's start, so while a cell has nothing to do, it loads the bundles of
 * which runs keep coming once more, and the next run gets that isolate. The host chooses, and not the cell: it alone knows that no run
 * waits, it watches what a cell computes, and a cell that computed unasked would be killed for it.
 *
 * An isolate is made for the household of its cell, for one bundle and for the ceilings that an isolate is made with. Nothing of a run is
 * in it: a bundle that asks for the time or for randomness while it loads, which are a run's, cannot be loaded in advance.
 */
import { MACHINE } from '@corral/protocol/limits';
import type { FrameHead } from '@corral/protocol/wire/frame';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Run, Seat } from '../runs/run.ts';
import type { Cell } from './cell.ts';
import type { Made } from './isolates.ts';
import { isOfOneRun } from './household.ts';
import { loadOf, type Load, type Seats } from './seats.ts';
import type { Task } from './task.ts';
import { measured_ms, reported_us, took_ms } from './usage.ts';

export interface SparesOptions {
  readonly clock: Clock;
  readonly seats: Seats;
  /** Isolates that a cell may hold in advance. */
  readonly most: number;
  /** Whether a cell has nothing to do, and no run waits for it. */
  readonly isFree: (cell: Cell) => boolean;
  /** CPU time of a cell for an isolate that no run has got. */
  readonly charge: (cell: Cell, cpu_ms: number) => void;
  /** A cell got work. */
  readonly onCpu: () => void;
}

/** Runs of a bundle in a cell after which more are expected. The second one leaves V8's compiled code to those that follow. */
const HOT_RUNS = 2;
/** How long a cell must have had nothing to do, so that no crank waits for a load in advance. Milliseconds. */
const QUIET_MS = 20;
/** Time in which no isolate is made in advance after some were given up for lack of memory. Milliseconds. */
const SCARCE_MS = 10_000;
/** Kinds of isolates of which a cell knows how often they were needed. */
const KINDS = 32;
/** Bundles that are remembered because they cannot be loaded in advance. */
const UNFIT = 1_000;

/** The isolates of one bundle and its ceilings in one cell. */
interface Kind {
  readonly load: Load;
  /** Runs that have completed a crank in such an isolate. */
  runs: number;
  usedAt: number;
  /** The one that is ready. */
  made: (Made & { readonly heap_kib: number }) | undefined;
}

interface Known {
  readonly kinds: Map<string, Kind>;
  /** The one that is being made. */
  making: { readonly assignment: number; readonly kind: Kind } | undefined;
  /** Whether the cell is looked at once it has been quiet. */
  waiting: boolean;
}

const keyOf = ({ bundle, options }: Load) => JSON.stringify([bundle.digest, ...Object.values(options)]);

export class Spares {
  readonly #options: SparesOptions;
  readonly #cells = new Map<Cell, Known>();
  /** Isolates of runs that have not completed a crank in them yet. */
  readonly #fresh = new WeakMap<Seat, Kind>();
  /** Digests of bundles that cannot be loaded in advance, the oldest first. */
  readonly #unfit = new Set<string>();
  #scarceUntil = Number.NEGATIVE_INFINITY;

  constructor(options: SparesOptions) {
    this.#options = options;
  }

  /** Heaps of all that are ready. */
  get heap_kib(): number {
    let sum = 0;
    for (const { kinds } of this.#cells.values()) for (const { made } of kinds.values()) sum += made?.heap_kib ?? 0;
    return sum;
  }

  /** Memory ceiling of an isolate that is being made or waits for a run. */
  memory_mib(cell: Cell, assignment: number): number | undefined {
    const known = this.#cells.get(cell);
    if (known?.making?.assignment === assignment) return known.making.kind.load.options.memory_mib;
    return known?.kinds.values().find(({ made }) => made?.assignment === assignment)?.load.options.memory_mib;
  }

  /** Makes an isolate for a run in a cell, or gives it one that is ready. @returns its assignment */
  sit(run: Run, cell: Cell): number {
    const { seats, clock, most } = this.#options;
    const load = loadOf(run);
    const { household } = cell.tenure;
    // A program that an agent made is hardly ever run again.
    if (most === 0 || household === undefined || isOfOneRun(household) || load.bundle.isProgram === true) return seats.sit(run, cell);
    const known = this.#known(cell);
    const key = keyOf(load);
    const kind = known.kinds.get(key) ?? { load, runs: 0, usedAt: 0, made: undefined };
    // The one that was needed last stands last.
    known.kinds.delete(key);
    known.kinds.set(key, kind);
    if (known.kinds.size > KINDS) this.#forgetKind(cell, known.kinds.keys().next().value as string);
    kind.usedAt = clock.monotonic();
    const { made } = kind;
    kind.made = undefined;
    const assignment = seats.sit(run, cell, made);
    if (run.seat !== undefined) this.#fresh.set(run.seat, kind);
    return assignment;
  }

  /** A run has completed a crank or a replay in its isolate. */
  ran({ seat }: Run): void {
    const kind = seat && this.#fresh.get(seat);
    if (seat === undefined || kind === undefined) return;
    this.#fresh.delete(seat);
    kind.runs += 1;
  }

  /** A cell has nothing to do at this moment. If it stays so, an isolate is made in it. */
  idle(cell: Cell): void {
    const known = this.#cells.get(cell);
    if (known === undefined || known.waiting || this.#wanted(known) === undefined) return;
    known.waiting = true;
    const { sent } = cell;
    this.#options.clock.after(QUIET_MS, () => {
      known.waiting = false;
      if (this.#cells.get(cell) !== known || !this.#options.isFree(cell)) return;
      if (cell.sent === sent) this.#make(cell, known);
      else this.idle(cell);
    });
  }

  /** The cell has answered. */
  spared(cell: Cell, task: Task, head: FrameHead): void {
    const known = this.#cells.get(cell);
    if (known?.making?.assignment !== task.assignment) return;
    const { kind } = known.making;
    known.making = undefined;
    const took = took_ms(task, this.#options.clock.monotonic());
    const load_ms = reported_us(task, head, took, measured_ms(cell, task, took)) / 1000;
    if (head.heap_kib > 0) {
      kind.made = { assignment: task.assignment, load_ms, heap_kib: head.heap_kib };
      return;
    }
    this.#isUnfit(kind);
    this.#options.charge(cell, load_ms);
    cell.drop(task.assignment);
  }

  /** The isolate of an assignment is gone. */
  faulted(cell: Cell, assignment: number): void {
    const known = this.#cells.get(cell);
    if (known === undefined) return;
    if (known.making?.assignment === assignment) {
      this.#isUnfit(known.making.kind);
      known.making = undefined;
    }
    for (const kind of known.kinds.values()) if (kind.made?.assignment === assignment) kind.made = undefined;
  }

  /** Gives up those of a cell, since their memory is needed. @returns whether there were any */
  evict(cell: Cell): boolean {
    let had = false;
    for (const kind of this.#cells.get(cell)?.kinds.values() ?? []) had = this.#drop(cell, kind) || had;
    return had;
  }

  /** Gives up all of them, and makes none for a while. @returns heaps that they held */
  evictAll(): number {
    const { heap_kib } = this;
    if (heap_kib > 0) this.#scarceUntil = this.#options.clock.monotonic() + SCARCE_MS;
    for (const cell of this.#cells.keys()) this.evict(cell);
    return heap_kib;
  }

  /** Periodic work: gives up those that no run has needed for long, and looks for cells in which one could not be made before. */
  maintain(): void {
    const before = this.#options.clock.monotonic() - MACHINE.spare_isolate_ms.default;
    for (const [cell, { kinds }] of this.#cells) {
      for (const [key, { usedAt }] of kinds) if (usedAt < before) this.#forgetKind(cell, key);
      if (cell.idling) this.idle(cell);
    }
  }

  /** The process of a cell is gone. @param task what it was at */
  forget(cell: Cell, task: Task | undefined): void {
    const known = this.#cells.get(cell);
    if (known === undefined) return;
    // A load that ended its cell would end the next one too.
    if (known.making !== undefined && task?.assignment === known.making.assignment) this.#isUnfit(known.making.kind);
    for (const { made } of known.kinds.values()) if (made !== undefined) this.#options.charge(cell, made.load_ms);
    this.#cells.delete(cell);
  }

  #known(cell: Cell): Known {
    let known = this.#cells.get(cell);
    if (known === undefined) {
      known = { kinds: new Map(), making: undefined, waiting: false };
      this.#cells.set(cell, known);
    }
    return known;
  }

  /** The kind of which one is missing, and that was needed last. */
  #wanted({ kinds, making }: Known): Kind | undefined {
    if (making !== undefined) return undefined;
    let wanted: Kind | undefined;
    let ready = 0;
    for (const kind of kinds.values()) {
      if (kind.made !== undefined) ready += 1;
      else if (kind.runs >= HOT_RUNS && !this.#unfit.has(kind.load.bundle.digest)) wanted = kind;
    }
    return ready < this.#options.most ? wanted : undefined;
  }

  #make(cell: Cell, known: Known): void {
    const { clock, seats, onCpu } = this.#options;
    const kind = this.#wanted(known);
    const occupancy = seats.in(cell);
    if (kind === undefined || clock.monotonic() < this.#scarceUntil || !occupancy.hasRoom || occupancy.room.isSpent) return;
    const { bundle, options, load_ms } = kind.load;
    known.making = { assignment: cell.spare(bundle, options, load_ms), kind };
    occupancy.room.made();
    onCpu();
  }

  #isUnfit({ load }: Kind): void {
    this.#unfit.add(load.bundle.digest);
    if (this.#unfit.size > UNFIT) this.#unfit.delete(this.#unfit.values().next().value as string);
  }

  #forgetKind(cell: Cell, key: string): void {
    const known = this.#cells.get(cell);
    const kind = known?.kinds.get(key);
    if (known === undefined || kind === undefined || known.making?.kind === kind) return;
    this.#drop(cell, kind);
    known.kinds.delete(key);
  }

  #drop(cell: Cell, kind: Kind): boolean {
    const { made } = kind;
    if (made === undefined) return false;
    kind.made = undefined;
    this.#options.charge(cell, made.load_ms);
    cell.drop(made.assignment);
    return true;
  }
}
