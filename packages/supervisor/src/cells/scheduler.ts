/**
 * Puts runs on cells: chooses a cell, makes the isolate or brings it back by replay, hands it one delivery at a time, and
 * moves runs on when their cell is lost. Runs take turns within a cell; cells are processes, and take turns by the kernel.
 */
import type { CorralError } from '@corral/protocol/errors';
import type { FaultPayload, FrameHead } from '@corral/protocol/wire/frame';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock, ProcessExit } from '@corral/protocol/ports/machine';
import type { Cell } from './cell.ts';
import type { Task } from './task.ts';
import type { CellPool } from './pool.ts';
import { Boardings, type Boarding, type BoardingsOptions } from './boardings.ts';
import { BOARDING, leastNeeded, type Occupancy } from './occupancy.ts';
import type { Seats } from './seats.ts';
import { Waiting } from './turns.ts';
import { billed, measured_ms, ReplayCpu, took_ms, usedBy } from './usage.ts';
import type { OnCpu, Run } from '../runs/run.ts';
import { emitters } from '../events/signal.ts';
import type { StageEvents } from './scheduler-events.ts';
import type { Transitions } from '../events/transitions.ts';

export interface StageOptions extends Pick<BoardingsOptions, 'replayPage'> {
  readonly clock: Clock;
  readonly pool: CellPool;
  readonly seats: Seats;
  readonly transitions: Transitions;
  /** How long an empty cell is kept for its tenant. */
  readonly cell_idle_ms: number;
}

/** After how long a journal that could not be read is tried again. */
const AGAIN_MS = 500;
/** How long a cell that its tenant has beyond its share is kept without use. */
const SURPLUS_MS = 500;

export class Scheduler {
  readonly #options: StageOptions;
  /** Runs in some cell's `ready`, or waiting for a cell or for their journal. */
  readonly #queued = new Set<Run>();
  /** Runs that sit in no cell and want to, by tenant. */
  readonly #waiting = new Waiting<Run>();
  /** Since when nobody has wanted anything of a cell. */
  readonly #unused = new WeakMap<Cell, number>();
  /** Cells that were killed on purpose: their loss is nobody's fault. */
  readonly #condemned = new Set<Cell>();
  readonly replayCpu = new ReplayCpu();
  #closed = false;
  #draining = false;
  readonly #pool: CellPool;
  readonly #seats: Seats;
  readonly #boardings: Boardings;
  readonly #events: StageEvents;

  constructor(options: StageOptions) {
    this.#options = options;
    const { pool, seats, transitions } = options;
    this.#pool = pool;
    this.#seats = seats;
    this.#boardings = new Boardings({
      replayPage: options.replayPage,
      onPage: (run, cell) => {
        this.#seats.in(cell).pages.push(run);
        this.#pump(cell);
      },
      onTurnedAway: (run) => {
        this.#turnAway(run);
        this.wake(run);
      },
      onUnreadable: (run) => {
        this.#turnAway(run);
        // It may be readable in a moment.
        options.clock.after(AGAIN_MS, () => this.wake(run));
      },
    });
    this.#events = emitters(transitions.scheduler);
    const { cells, residency } = transitions;
    cells.onReady.listen((cell) => {
      this.#events.onCellReady(cell);
      this.#pump(cell);
    });
    cells.onFree.listen((cell) => this.#pump(cell));
    cells.onCranked.listen((cell, task, effects, head) => this.#cranked(cell, task, effects, head));
    cells.onReplayed.listen((cell, task, head) => this.#replayed(cell, task, head));
    cells.onFault.listen((cell, task, assignment, fault, head) => this.#faulted(cell, task, assignment, fault, head));
    cells.onExit.listen((cell, exit, error) => this.#exited(cell, exit, error));
    residency.onVacant.listen((tenant) => this.#retire(tenant));
  }

  /** No crank begins any more, and one that is on a CPU counts for nothing: nothing of it has left, and the next host makes it again. */
  drain(): void {
    this.#draining = true;
  }

  /** No run gets a CPU any more, and the loss of a cell is nobody's. */
  close(): void {
    this.#closed = true;
  }

  /** How many runs sit in a cell or are on their way there. */
  readonly load = (cell: Cell): number => (this.#seats.found(cell)?.byAssignment.size ?? 0) + this.#boardings.into(cell);

  /** Whether a run waits for its turn, a cell or its journal. */
  isBusy(run: Run): boolean {
    return this.#queued.has(run) || this.#boardings.has(run);
  }

  /** A tenant has nothing in memory: its cells are not kept for it. */
  #retire(tenant: TenantId): void {
    for (const cell of this.#pool.cells) if (cell.tenant === tenant && this.load(cell) === 0 && cell.idling) this.condemn(cell, undefined);
  }

  /** The run may have something to do. Calling this once too often does no harm. */
  wake(run: Run): void {
    run.tick(this.#options.clock.monotonic());
    if (this.#closed || this.#draining || !run.runnable || this.#queued.has(run)) return;
    if (run.seat?.cell.taken === true) this.unseat(run);
    this.#queued.add(run);
    if (run.seat === undefined) {
      this.#waiting.arrive(run.tenant, run, run.ledger.seq === 0);
      this.#serve(run.tenant);
    } else {
      this.#seats.in(run.seat.cell).ready.push(run);
      this.#pump(run.seat.cell);
    }
  }

  /** Somebody of a tenant waits for a cell: one is found, or asked for. */
  #serve(tenant: TenantId): void {
    if (!this.#yields(tenant) && this.#pool.seat(tenant, this.load) === undefined) this.#reclaim(tenant);
    else this.#pumpAll(tenant);
  }

  readonly #yields = (tenant: TenantId): boolean => this.#waiting.mustYield(tenant, this.#pool.count());

  #pumpAll(tenant: TenantId): void {
    for (const cell of this.#pool.cells) {
      if (!this.#waiting.has(tenant)) return;
      if (cell.tenant === tenant && !cell.doomed && !cell.taken) this.#pump(cell);
    }
  }

  /**
   * Puts the cells in order: those that tenants have beyond their share, or have had no use for in a while, are given back, and
   * runs without a cell are given one.
   */
  keepHouse(): void {
    const now = this.#options.clock.monotonic();
    for (const cell of this.#pool.cells) {
      const { tenant } = cell;
      if (tenant === undefined || !cell.idling || this.#isWanted(cell)) {
        this.#unused.delete(cell);
        continue;
      }
      const since = this.#unused.get(cell) ?? now;
      this.#unused.set(cell, since);
      const spare = this.#pool.surplus(tenant) > 0 && now - since >= SURPLUS_MS;
      if (spare || (this.load(cell) === 0 && now - since >= this.#options.cell_idle_ms)) this.condemn(cell, undefined);
    }
    // Who waits behind a crank that computes for long moves as soon as there is a better place.
    for (const cell of this.#pool.cells) if (cell.taken && (this.#seats.found(cell)?.ready.length ?? 0) > 0) this.rehome(cell);
    for (const tenant of this.#waiting.tenants(true)) this.#serve(tenant);
  }

  /** Whether somebody in a cell has something to do there. */
  #isWanted(cell: Cell): boolean {
    if (cell.tenant !== undefined && this.#waiting.has(cell.tenant)) return true;
    const occupancy = this.#seats.found(cell);
    if (occupancy === undefined) return false;
    return (
      occupancy.ready.length + occupancy.pages.length > 0 || occupancy.byAssignment.values().some((run) => run.runnable || this.isBusy(run))
    );
  }

  /** A tenant has no cell, and there is none left: another gives one up. What ran there goes on elsewhere. */
  #reclaim(tenant: TenantId): void {
    if (this.#condemned.size > 0 || this.#pool.seat(tenant, this.load) !== undefined) return this.#settle();
    const cell = leastNeeded(this.#pool.cells, this.#pool.count(), tenant, (one) => this.#isWanted(one), this.load);
    if (cell !== undefined) this.condemn(cell, undefined);
  }

  /** Runs without a cell ask again. */
  #settle(): void {
    for (const tenant of this.#waiting.tenants())
      if (!this.#yields(tenant) && this.#pool.seat(tenant, this.load) !== undefined) this.#pumpAll(tenant);
  }

  /** Gives up a run's isolate; whatever it knew is in its journal. The run must not be on the CPU. */
  unseat(run: Run): void {
    this.#boardings.end(run);
    this.#seats.leave(run);
  }

  /** A run that has ended, or must stop now, leaves: its cell is killed if the run is on the CPU. Says whether it was. */
  leave(run: Run): boolean {
    const { seat } = run;
    if (seat !== undefined && seat.cell.worksFor(seat.assignment) && !seat.cell.doomed) {
      this.condemn(seat.cell, run);
      run.leaveCpu();
      return true;
    }
    this.unseat(run);
    return false;
  }

  /** Gives up isolates of a cell whose runs have nothing to do or may not go on, such a share of them: the longest unused first, the dearest to bring back last. */
  evict(cell: Cell, share = 1): void {
    const idle = [...this.#seats.runs(cell)].filter((run) => run.onCpu === undefined && !run.wants && !this.isBusy(run));
    idle.sort((a, b) => a.worth - b.worth);
    for (const run of idle.slice(0, Math.ceil(idle.length * share))) this.unseat(run);
  }

  /**
   * Kills a cell for what one of its runs did, or because that run must stop at once. The others go on elsewhere, the one on its
   * CPU included if it is not the culprit.
   */
  condemn(cell: Cell, culprit: Run | undefined): void {
    if (cell.dead || this.#condemned.has(cell)) return;
    this.#condemned.add(cell);
    cell.kill();
    this.#evacuate(cell);
    const bystander = this.#seats.onCpu(cell);
    if (bystander?.onCpu === undefined || bystander === culprit) return;
    this.#putBack(bystander);
    this.wake(bystander);
  }

  /** The crank of a run counts for nothing, by no fault of its own, and is made again; nor does the time that it took. */
  #putBack(run: Run): void {
    if (!run.putBack()) return;
    const now = this.#options.clock.monotonic();
    run.ledger.wall.forgive(now, now - run.crankBegan);
  }

  /** Moves the runs that have something to do out of a cell whose CPU another run keeps to itself. */
  rehome(cell: Cell): void {
    const stuck = this.#seats.onCpu(cell);
    const occupancy = this.#seats.found(cell);
    if (occupancy === undefined) return;
    const waiting = [...this.#takeBack(cell), ...occupancy.ready.splice(), ...occupancy.pages.splice()];
    for (const run of waiting) this.#queued.delete(run);
    for (const run of new Set([...waiting, ...occupancy.byAssignment.values()])) {
      // A run without anything to do stays for now; it moves when something comes for it.
      if (run === stuck) continue;
      // What was to be replayed here is replayed wherever it goes next, and read again.
      if (this.#boardings.has(run)) this.unseat(run);
      if (!run.runnable) continue;
      this.unseat(run);
      this.wake(run);
    }
  }

  /** Cranks that were sent ahead of their turn are taken back: their runs may go elsewhere. */
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
    if (cell.tenant === undefined || this.#closed || this.#draining) return;
    while ((cell.idling || cell.roomy) && this.#step(cell, this.#seats.in(cell)));
  }

  /** Gives a cell the next thing to do; false where there is nothing that it can do now. */
  #step(cell: Cell, occupancy: Occupancy): boolean {
    const arrivals = this.#waiting.get(cell.tenant as TenantId);
    const mayBoard = () => this.#boardings.into(cell) < BOARDING.at_once;
    const next = occupancy.next(cell.idling, arrivals, mayBoard, () => this.#relieve(cell, occupancy));
    if (next === undefined) return false;
    const { what, run } = next;
    if (what === 'crank') this.#crankNext(run, cell);
    else if (what === 'replay') this.#replayNext(run, cell);
    else this.#admit(run, cell, occupancy);
    return !cell.doomed;
  }

  #crankNext(run: Run, cell: Cell): void {
    this.#queued.delete(run);
    if (!run.runnable) return;
    if (run.seat?.cell === cell) this.#crank(run, cell);
    else this.wake(run);
  }

  /** Takes a run into a cell that has room for it. */
  #admit(run: Run, cell: Cell, occupancy: Occupancy): void {
    if (run.runnable && occupancy.byAssignment.size === 0 && cell.idling && occupancy.room.isSpent && this.#boardings.into(cell) === 0) {
      // What was given up has left too little room.
      this.#waiting.arrive(run.tenant, run, run.ledger.seq === 0);
      this.condemn(cell, undefined);
      return;
    }
    this.#queued.delete(run);
    if (!run.runnable) return;
    if (run.ledger.segment_entries > 0) return this.#board(run, cell);
    this.#events.onBegin(run);
    this.#seats.sit(run, cell);
    this.#crank(run, cell);
  }

  /** Runs want to come in, and the cell is full: some that have nothing to do make room. It is looked at before more have to. */
  #relieve(cell: Cell, occupancy: Occupancy): void {
    if (occupancy.relieving) return;
    occupancy.relieving = true;
    this.evict(cell, 0.25);
    this.#options.clock.after(BOARDING.relief_ms, () => {
      occupancy.relieving = false;
      if (cell.idling) cell.look();
      this.#pump(cell);
    });
  }

  #crank(run: Run, cell: Cell): void {
    const { clock } = this.#options;
    const crank = run.seat && run.beginCrank(clock.now(), clock.monotonic());
    if (crank === undefined || run.seat === undefined) return;
    cell.crank(run.seat.assignment, crank.crank, crank.text, run.ledger.record.ceilings.crank_cpu_ms);
    this.#events.onCpu();
  }

  #board(run: Run, cell: Cell): void {
    this.#queued.add(run);
    this.#boardings.begin(run, cell);
  }

  /** It does not come in for now. */
  #turnAway(run: Run): void {
    this.#disembark(run);
    this.unseat(run);
  }

  #disembark(run: Run): void {
    this.#boardings.end(run);
    this.#queued.delete(run);
  }

  #replayNext(run: Run, cell: Cell): void {
    const boarding = this.#boardings.of(run);
    if (boarding?.cell !== cell) {
      this.#queued.delete(run);
      return this.wake(run);
    }
    const { page } = boarding;
    if (run.outcome !== undefined || page === undefined) return this.#turnAway(run);
    boarding.assignment ??= this.#seats.sit(run, cell);
    if (page.cranks > 0) {
      cell.replay(boarding.assignment, page);
      this.#events.onCpu();
    } else this.#boarded(run, boarding);
  }

  #boarded(run: Run, boarding: Boarding): void {
    if (boarding.next !== undefined) return void this.#boardings.turnPage(run, boarding);
    this.#disembark(run);
    this.#events.onReplayed(run, boarding.cell);
    run.tick(this.#options.clock.monotonic());
    if (!run.runnable || run.seat?.cell !== boarding.cell || this.#queued.has(run)) return this.wake(run);
    // What it was brought in for comes before anybody else is.
    this.#queued.add(run);
    this.#seats.in(boarding.cell).ready.unshift(run);
  }

  #cranked(cell: Cell, task: Task, effects: string, head: FrameHead): void {
    const run = this.#seats.run(cell, task.assignment);
    if (cell.tenant === undefined) return;
    const took = took_ms(task, this.#options.clock.monotonic());
    const measured = measured_ms(cell, task, took);
    // The next run's crank goes out before this one's effects are looked at: the cell need not wait for us.
    this.#pump(cell);
    if (run?.onCpu === undefined) return;
    if (run.control !== 'none' || this.#draining) {
      // It was paused while its answer was on the way, or its host stops: the crank counts for nothing, and is made again.
      run.putBack();
      this.unseat(run);
      return;
    }
    const crank = run.leaveCpu() as OnCpu;
    // It waited behind another's crank, or its cell stood still while others computed.
    const now = this.#options.clock.monotonic();
    run.ledger.wall.forgive(now, now - run.crankBegan - took);
    if (head.heap_kib > 0) run.holds(head.heap_kib);
    // What the cell says it used cannot be more than the time it had, nor, of what is long enough to measure, less than was seen.
    const cpu_us = Math.max(Math.min(head.cpu_us, Math.ceil(took * 1000)), Math.round(measured * 1000));
    this.#events.onCranked(run, crank, effects, cpu_us);
    this.wake(run);
  }

  #replayed(cell: Cell, task: Task, head: FrameHead): void {
    this.replayCpu.charge(cell, task, head);
    const run = this.#seats.run(cell, task.assignment);
    const boarding = run && this.#boardings.of(run);
    if (run !== undefined && boarding !== undefined) this.#boarded(run, boarding);
    this.#pump(cell);
  }

  #faulted(cell: Cell, task: Task | undefined, assignment: number, fault: FaultPayload, head: FrameHead): void {
    const run = this.#seats.run(cell, assignment);
    this.#seats.found(cell)?.byAssignment.delete(assignment);
    this.replayCpu.charge(cell, task, head);
    if (run !== undefined) {
      this.#disembark(run);
      run.leaveSeat();
      const crank = run.leaveCpu();
      const took = task === undefined ? 0 : took_ms(task, this.#options.clock.monotonic());
      const used_ms = task === undefined ? 0 : Math.min(Math.max(usedBy(cell, task) ?? 0, head.cpu_us / 1000), took);
      if (task !== undefined) run.stopCrank(used_ms, this.#options.clock.monotonic());
      this.#events.onFault(run, cell, crank, fault, task, used_ms);
    }
    this.#pump(cell);
  }

  #exited(cell: Cell, exit: ProcessExit, error: CorralError | undefined): void {
    const run = this.#seats.onCpu(cell);
    const used_ms = cell.task === undefined ? 0 : billed(cell, cell.task);
    this.replayCpu.charge(cell, cell.task, undefined);
    const condemned = this.#condemned.delete(cell);
    // Whoever was on its CPU has moved on long since, and waits for its turn elsewhere.
    if (condemned) this.#seats.found(cell)?.byAssignment.clear();
    this.#evacuate(cell);
    this.#seats.forget(cell);
    cell.clear();
    if (run !== undefined && !condemned && !this.#closed) {
      this.#events.onLost(run, run.leaveCpu(), exit, error, used_ms);
    }
    this.#events.onCellGone(cell, exit);
    this.#settle();
  }

  /** Everybody leaves a cell that is lost. Runs with something to do find another at once. */
  #evacuate(cell: Cell): void {
    const occupancy = this.#seats.found(cell);
    if (occupancy === undefined) return;
    const leaving = [...occupancy.ready.splice(), ...occupancy.pages.splice()];
    const runs = new Set([...this.#takeBack(cell), ...occupancy.byAssignment.values(), ...leaving]);
    const stuck = this.#seats.onCpu(cell);
    occupancy.byAssignment.clear();
    if (stuck !== undefined && cell.task !== undefined) occupancy.byAssignment.set(cell.task.assignment, stuck);
    for (const run of runs) {
      this.#disembark(run);
      if (run.seat?.cell === cell) run.leaveSeat();
      if (run !== stuck) this.wake(run);
    }
  }
}
