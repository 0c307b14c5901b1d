/**
 * Puts runs on cells: chooses a cell, makes the isolate or brings it back by replay, gives it one delivery at a time, and moves runs
 * elsewhere when their cell is lost. Runs take turns within a cell; cells are processes, which the kernel schedules. `supply.ts` decides which
 * tenant has how many cells.
 */
import type { CorralError } from '@corral/protocol/errors';
import type { FaultPayload, FrameHead } from '@corral/protocol/wire/frame';
import type { Clock, ProcessExit } from '@corral/protocol/ports/machine';
import type { Cell } from './cell.ts';
import type { Household } from './household.ts';
import type { Task } from './task.ts';
import type { CellPool } from './pool.ts';
import { CellReplays, type CellReplay, type CellReplaysOptions } from './cell-replays.ts';
import { RELIEF_MS, REPLAYS_AT_ONCE, type Occupancy } from './occupancy.ts';
import type { Seats } from './seats.ts';
import { Spares } from './spares.ts';
import { Supply } from './supply.ts';
import { billed, measured_ms, ReplayCpu, reported_us, took_ms, usedBy } from './usage.ts';
import type { OnCpu, Run } from '../runs/run.ts';
import { emitters } from '../events/signal.ts';
import type { SchedulerEvents } from './scheduler-events.ts';
import type { Transitions } from '../events/transitions.ts';

export interface SchedulerOptions extends Pick<CellReplaysOptions, 'replayPage'> {
  readonly clock: Clock;
  readonly pool: CellPool;
  readonly seats: Seats;
  readonly transitions: Transitions;
  /** The runs with which a run may share a cell. */
  readonly householdOf: (run: Run) => Household;
  /** How long an empty cell is kept for its tenant. Milliseconds. */
  readonly cell_idle_ms: number;
  /** Isolates that a cell may hold in advance. */
  readonly spare_isolates: number;
}

/** Time after which a journal that could not be read is tried again. Milliseconds. */
const AGAIN_MS = 500;

export class Scheduler {
  readonly #options: SchedulerOptions;
  /** Runs in the `ready` line of a cell, or waiting for a cell or for their journal. */
  readonly #queued = new Set<Run>();
  /** Cells that were killed on purpose, so that no run is blamed for their exit. */
  readonly #killedCells = new Set<Cell>();
  readonly replayCpu = new ReplayCpu();
  #closed = false;
  #draining = false;
  readonly #seats: Seats;
  readonly #replays: CellReplays;
  readonly #supply: Supply;
  readonly spares: Spares;
  readonly #events: SchedulerEvents;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    const { seats, transitions } = options;
    this.#seats = seats;
    this.#replays = new CellReplays({
      replayPage: options.replayPage,
      onPage: (run, cell) => {
        this.#seats.in(cell).pages.push(run);
        this.#pump(cell);
      },
      onRefused: (run) => {
        this.#abandonReplay(run);
        this.wake(run);
      },
      onUnreadable: (run) => {
        this.#abandonReplay(run);
        // The failure may be temporary.
        options.clock.after(AGAIN_MS, () => this.wake(run));
      },
    });
    this.#supply = new Supply({
      ...options,
      load: this.load,
      isBusy: (run) => this.isBusy(run),
      isKilling: () => this.#killedCells.size > 0,
      pump: (cell) => this.#pump(cell),
      kill: (cell) => this.killCell(cell, undefined),
      empty: (cell) => this.moveRunsFrom(cell),
    });
    this.#events = emitters(transitions.scheduler);
    this.spares = new Spares({
      ...options,
      most: options.spare_isolates,
      isFree: (cell) => !this.#closed && !this.#draining && cell.idling && !cell.tenure.retiring && !this.#supply.isWanted(cell),
      charge: this.replayCpu.add,
      onCpu: this.#events.onCpu,
    });
    const { cells, residency } = transitions;
    cells.onReady.listen((cell) => {
      this.#events.onCellReady(cell);
      this.#pump(cell);
    });
    cells.onFree.listen((cell) => this.#pump(cell));
    cells.onCranked.listen((cell, task, effects, head) => this.#cranked(cell, task, effects, head));
    cells.onReplayed.listen((cell, task, head) => this.#replayed(cell, task, head));
    cells.onSpared.listen((cell, task, head) => {
      this.spares.spared(cell, task, head);
      this.#pump(cell);
    });
    cells.onFault.listen((cell, task, assignment, fault, head) => this.#faulted(cell, task, assignment, fault, head));
    cells.onExit.listen((cell, exit, error) => this.#exited(cell, exit, error));
    residency.onVacant.listen((tenant) => this.#supply.retire(tenant));
  }

  /**
   * From now on no crank begins, and the answers of present cranks are discarded: no effect of them has left, and the next host repeats
   * them.
   */
  drain(): void {
    this.#draining = true;
  }

  /** From now on no run gets a CPU, and no run is blamed for the exit of a cell. */
  close(): void {
    this.#closed = true;
  }

  /** Number of runs that are in a cell or are being brought into it. */
  readonly load = (cell: Cell): number => (this.#seats.found(cell)?.byAssignment.size ?? 0) + this.#replays.into(cell);

  /** Whether a run waits for its turn, for a cell or for its journal. */
  isBusy(run: Run): boolean {
    return this.#queued.has(run) || this.#replays.has(run);
  }

  /** Schedules a run if it has something to do; else nothing happens. */
  wake(run: Run): void {
    run.tick(this.#options.clock.monotonic());
    if (this.#closed || this.#draining || !run.runnable || this.#queued.has(run)) return;
    const household = this.#options.householdOf(run);
    // The household of a run changes with the configuration of its tenant, and with those who deploy the agents.
    if (run.seat?.cell.taken === true || (run.seat !== undefined && run.seat.cell.tenure.household !== household)) this.unseat(run);
    this.#queued.add(run);
    if (run.seat === undefined) {
      this.#supply.waiting.arrive(household, run, run.ledger.seq === 0);
      this.#supply.serve(household);
    } else {
      this.#seats.in(run.seat.cell).ready.push(run);
      this.#pump(run.seat.cell);
    }
  }

  /** @see Supply.maintain */
  maintain(): void {
    this.spares.maintain();
    this.#supply.maintain();
  }

  /** Disposes of a run's isolate, whose state is in its journal. The run must not be on the CPU. */
  unseat(run: Run): void {
    this.#replays.end(run);
    this.#seats.leave(run);
  }

  /**
   * Discards the crank of a run that is being decided; it is repeated after a replay, because the isolate is past it. Then does the work
   * that waits for it. For a run that was paused: it must not go on before that work is done.
   */
  discard(run: Run): void {
    if (!run.behind.deciding) return;
    run.putBack();
    this.unseat(run);
    run.behind.drain();
  }

  /** Removes a run that has ended or must stop now; if it is on the CPU, its cell is killed. @returns the crank that it was at */
  leave(run: Run): OnCpu | undefined {
    const { seat } = run;
    if (seat !== undefined && seat.cell.worksFor(seat.assignment) && !seat.cell.killed) this.killCell(seat.cell, run);
    else this.unseat(run);
    return run.leaveCpu();
  }

  /**
   * Disposes of isolates of a cell: those made in advance, and then those whose runs have nothing to do or may not go on. Runs that were not
   * used for long go first; runs whose replay is expensive go last.
   * @param share of these runs, from 0 to 1
   */
  evict(cell: Cell, share = 1): void {
    if (this.spares.evict(cell) && share < 1) return;
    const idle = [...this.#seats.runs(cell)].filter((run) => !run.isAtWork && !run.wants && !this.isBusy(run));
    idle.sort((a, b) => a.worth - b.worth);
    for (const run of idle.slice(0, Math.ceil(idle.length * share))) this.unseat(run);
  }

  /**
   * Kills a cell. Its runs go on elsewhere, except for the culprit.
   * @param culprit run that broke a rule or must stop at once; undefined if no run is the cause
   */
  killCell(cell: Cell, culprit: Run | undefined): void {
    if (cell.dead || this.#killedCells.has(cell)) return;
    this.#killedCells.add(cell);
    cell.kill();
    this.#evacuate(cell);
    const bystander = this.#seats.onCpu(cell);
    if (bystander === undefined || bystander === culprit) return;
    // It was at a crank, or was being replayed there.
    this.#putBack(bystander);
    this.wake(bystander);
  }

  /** Discards the present crank of a run, which is not to blame and repeats it. The time of the crank does not count. */
  #putBack(run: Run): void {
    if (!run.putBack()) return;
    const now = this.#options.clock.monotonic();
    run.ledger.wall.forgive(now, now - run.crankBegan);
  }

  /** Time for which the present crank of a run has waited in its cell, behind another one. Milliseconds. */
  waiting_ms({ seat, onCpu, crankBegan }: Run): number {
    if (seat === undefined || onCpu === undefined) return 0;
    const now = this.#options.clock.monotonic();
    if (seat.cell.isBehind(seat.assignment)) return now - crankBegan;
    const { task } = seat.cell;
    return task?.assignment === seat.assignment ? Math.max(0, now - crankBegan - took_ms(task, now)) : 0;
  }

  /** Moves the runs that have something to do out of a cell whose CPU is held by one run. */
  moveRunsFrom(cell: Cell): void {
    const stuck = this.#seats.onCpu(cell);
    const occupancy = this.#seats.found(cell);
    if (occupancy === undefined) return;
    const waiting = [...this.#takeBack(cell), ...occupancy.ready.splice(), ...occupancy.pages.splice()];
    for (const run of waiting) this.#queued.delete(run);
    for (const run of new Set([...waiting, ...occupancy.byAssignment.values()])) {
      // A run without anything to do stays, and is moved when it gets a delivery.
      if (run === stuck) continue;
      // A run that was to be replayed here is replayed in its next cell, and its journal is read again.
      if (this.#replays.has(run)) this.unseat(run);
      if (!run.runnable) continue;
      this.unseat(run);
      this.wake(run);
    }
  }

  /** Takes back the cranks that were sent ahead of their turn, so that their runs can go elsewhere. */
  #takeBack(cell: Cell): Run[] {
    const taken: Run[] = [];
    for (const task of cell.behind) {
      const run = this.#seats.run(cell, task.assignment);
      if (task.void || run?.onCpu === undefined) continue;
      task.takeBack();
      this.#putBack(run);
      this.unseat(run);
      taken.push(run);
    }
    return taken;
  }

  #pump(cell: Cell): void {
    if (cell.tenure.household === undefined || this.#closed || this.#draining) return;
    if (cell.tenure.retiring) {
      // Later, because the cell's answer is still being processed here.
      this.#options.clock.after(0, () => cell.idling && this.killCell(cell, undefined));
      return;
    }
    while ((cell.idling || cell.roomy) && this.#step(cell, this.#seats.in(cell)));
    if (cell.idling) this.spares.idle(cell);
  }

  /** Gives a cell its next piece of work. @returns false if there is none, or if the cell was killed */
  #step(cell: Cell, occupancy: Occupancy): boolean {
    const arrivals = this.#supply.arrivals(cell);
    const mayReplay = () => this.#replays.into(cell) < REPLAYS_AT_ONCE;
    const next = occupancy.next(cell.idling, arrivals, mayReplay, () => this.#relieve(cell, occupancy));
    if (next === undefined) return false;
    const { what, run } = next;
    if (what === 'crank') this.#crankNext(run, cell);
    else if (what === 'replay') this.#replayNext(run, cell);
    else this.#admit(run, cell, occupancy);
    return !cell.killed;
  }

  #crankNext(run: Run, cell: Cell): void {
    this.#queued.delete(run);
    if (!run.runnable) return;
    if (run.seat?.cell === cell) this.#crank(run, cell);
    else this.wake(run);
  }

  /** Brings a run into a cell that has room for it. */
  #admit(run: Run, cell: Cell, occupancy: Occupancy): void {
    if (run.runnable && occupancy.byAssignment.size === 0 && cell.idling && occupancy.room.isSpent && this.#replays.into(cell) === 0) {
      // The cell is empty and still holds so much memory that a new cell is better.
      this.#supply.waiting.arrive(this.#options.householdOf(run), run, run.ledger.seq === 0);
      this.killCell(cell, undefined);
      return;
    }
    this.#queued.delete(run);
    if (!run.runnable) return;
    if (run.ledger.segment_entries > 0) return this.#replayInto(run, cell);
    this.#events.onBegin(run);
    this.spares.sit(run, cell);
    this.#crank(run, cell);
  }

  /** Makes room in a full cell by removing some runs that have nothing to do. The cell is measured again before more are removed. */
  #relieve(cell: Cell, occupancy: Occupancy): void {
    if (occupancy.relieving) return;
    occupancy.relieving = true;
    this.evict(cell, 0.25);
    this.#options.clock.after(RELIEF_MS, () => {
      occupancy.relieving = false;
      if (cell.idling) cell.look();
      this.#pump(cell);
    });
  }

  #crank(run: Run, cell: Cell): void {
    const { clock } = this.#options;
    const crank = run.seat && run.beginCrank(clock.now(), clock.monotonic());
    if (crank === undefined || run.seat === undefined) return this.#events.onRested(run);
    cell.crank(run.seat.assignment, crank.crank, crank.text, run.ledger.record.ceilings.crank_cpu_ms);
    this.#events.onCpu();
  }

  #replayInto(run: Run, cell: Cell): void {
    this.#queued.add(run);
    this.#replays.begin(run, cell);
  }

  /** Stops bringing a run into a cell. */
  #abandonReplay(run: Run): void {
    this.#endReplay(run);
    this.unseat(run);
  }

  #endReplay(run: Run): void {
    this.#replays.end(run);
    this.#queued.delete(run);
  }

  #replayNext(run: Run, cell: Cell): void {
    const replay = this.#replays.of(run);
    if (replay?.cell !== cell) {
      this.#queued.delete(run);
      return this.wake(run);
    }
    const { page } = replay;
    if (run.outcome !== undefined || page === undefined) return this.#abandonReplay(run);
    replay.assignment ??= this.spares.sit(run, cell);
    if (page.cranks > 0) {
      cell.replay(replay.assignment, page);
      this.#events.onCpu();
    } else this.#pageReplayed(run, replay);
  }

  #pageReplayed(run: Run, replay: CellReplay): void {
    if (replay.next !== undefined) return void this.#replays.turnPage(run, replay);
    this.#endReplay(run);
    this.#events.onReplayed(run, replay.cell);
    run.tick(this.#options.clock.monotonic());
    if (!run.runnable || run.seat?.cell !== replay.cell || this.#queued.has(run)) return this.wake(run);
    // The delivery for which the run was brought in goes before the next run is brought in.
    this.#queued.add(run);
    this.#seats.in(replay.cell).ready.unshift(run);
  }

  #cranked(cell: Cell, task: Task, effects: string, head: FrameHead): void {
    const run = this.#seats.run(cell, task.assignment);
    if (cell.tenant === undefined) return;
    const took = took_ms(task, this.#options.clock.monotonic());
    const measured = measured_ms(cell, task, took);
    if (run !== undefined) this.spares.ran(run);
    // The next crank is sent before these effects are processed, so that the cell need not wait.
    this.#pump(cell);
    if (run?.onCpu === undefined) return;
    if (run.control !== 'none' || this.#draining) {
      // The run was paused while its answer was on the way, or the host is stopping: the crank is discarded and repeated later.
      run.putBack();
      this.unseat(run);
      this.#events.onDiscarded(run);
      return;
    }
    const crank = run.leaveCpu() as OnCpu;
    // The time in which the crank waited behind another one, or its cell was frozen, does not count.
    const now = this.#options.clock.monotonic();
    run.ledger.wall.forgive(now, now - run.crankBegan - took);
    if (head.heap_kib > 0) run.holds(head.heap_kib);
    this.#events.onCranked(run, crank, effects, reported_us(task, head, took, measured));
    this.wake(run);
  }

  #replayed(cell: Cell, task: Task, head: FrameHead): void {
    this.replayCpu.charge(cell, task, head);
    const run = this.#seats.run(cell, task.assignment);
    const replay = run && this.#replays.of(run);
    if (run !== undefined) this.spares.ran(run);
    if (run !== undefined && replay !== undefined) this.#pageReplayed(run, replay);
    this.#pump(cell);
  }

  #faulted(cell: Cell, task: Task | undefined, assignment: number, fault: FaultPayload, head: FrameHead): void {
    const run = this.#seats.run(cell, assignment);
    this.#seats.found(cell)?.byAssignment.delete(assignment);
    this.replayCpu.charge(cell, task, head);
    this.spares.faulted(cell, assignment);
    if (run !== undefined) {
      this.#endReplay(run);
      run.leaveSeat();
      const crank = run.leaveCpu();
      const took = task === undefined ? 0 : took_ms(task, this.#options.clock.monotonic());
      const used_ms = task === undefined ? 0 : task.loaded_ms + Math.min(Math.max(usedBy(cell, task) ?? 0, head.cpu_us / 1000), took);
      if (task !== undefined) run.stopCrank(used_ms, this.#options.clock.monotonic());
      this.#events.onFault(run, cell, crank, fault, task, used_ms);
    }
    this.#pump(cell);
  }

  #exited(cell: Cell, exit: ProcessExit, error: CorralError | undefined): void {
    const working = cell.task !== undefined && cell.task.kind !== 'spare';
    // If a cell without work broke a rule, the run that was last on its CPU is the first to be suspected.
    const run = error !== undefined || exit.cause !== undefined ? this.#seats.latest(cell) : this.#seats.onCpu(cell);
    const used_ms = cell.task === undefined ? 0 : billed(cell, cell.task);
    this.replayCpu.charge(cell, cell.task, undefined);
    const onPurpose = this.#killedCells.delete(cell);
    // The run on its CPU was moved when the cell was killed, and waits for its turn elsewhere.
    if (onPurpose) this.#seats.found(cell)?.byAssignment.clear();
    this.#evacuate(cell);
    this.spares.forget(cell, cell.task);
    this.#seats.forget(cell);
    cell.clear();
    if (run !== undefined && !onPurpose && !this.#closed) {
      this.#events.onLost(run, run.leaveCpu(), exit, error, used_ms, working);
    }
    this.#events.onCellGone(cell, exit);
    this.#supply.settle();
  }

  /** Removes all runs from a cell that is lost, except for the one on its CPU. Runs that have something to do are scheduled at once. */
  #evacuate(cell: Cell): void {
    const occupancy = this.#seats.found(cell);
    if (occupancy === undefined) return;
    const leaving = [...occupancy.ready.splice(), ...occupancy.pages.splice()];
    const runs = new Set([...this.#takeBack(cell), ...occupancy.byAssignment.values(), ...leaving]);
    const stuck = this.#seats.onCpu(cell);
    occupancy.byAssignment.clear();
    if (stuck !== undefined && cell.task !== undefined) occupancy.byAssignment.set(cell.task.assignment, stuck);
    for (const run of runs) {
      this.#endReplay(run);
      if (run.seat?.cell === cell) run.leaveSeat();
      if (run !== stuck) this.wake(run);
    }
  }
}
