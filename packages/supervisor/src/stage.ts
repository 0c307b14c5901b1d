/**
 * Puts runs on cells: chooses a cell, makes the isolate or brings it back by replay, hands it one delivery at a time, and
 * moves runs on when their cell is lost. Runs take turns within a cell; cells are processes, and take turns by the kernel.
 */
import type { CorralError } from '@corral/protocol/errors';
import type { FaultPayload, FrameHead } from '@corral/protocol/frame';
import type { TenantId } from '@corral/protocol/ids';
import type { Clock, ProcessExit } from '@corral/protocol/ports';
import type { ReplayPage } from '@corral/protocol/store';
import type { Cell, Task } from './cells/cell.ts';
import type { CellPool } from './cells/pool.ts';
import { BOARDING, leastNeeded, mustYield, Occupancy, type Boarding } from './cells/occupancy.ts';
import { Arrivals } from './cells/turns.ts';
import { billed, ReplayCpu, usedBy } from './cells/usage.ts';
import type { OnCpu, Run } from './runs/run.ts';
import { emitters } from './signal.ts';
import { segmentSeed } from './runs/segment.ts';
import type { StageEvents } from './stage-events.ts';
import type { Transitions } from './transitions.ts';

export interface StageOptions {
  readonly clock: Clock;
  /** The next part of a run's journal to be replayed, once everything handed over for it is durable. */
  readonly replayPage: (run: Run, after: number) => Promise<ReplayPage>;
  readonly pool: CellPool;
  readonly transitions: Transitions;
  /** How long an empty cell is kept for its tenant. */
  readonly cell_idle_ms: number;
  /** Resident memory a cell may hold. */
  readonly cell_memory_mib: number;
}

/** After how long a journal that could not be read is tried again. */
const AGAIN_MS = 500;
/** The kernel may count CPU time by the tick; what is shorter is left to the cell, which measures by the clock. */
const TICK_MS = 10;
/** How long a cell that its tenant has beyond its share is kept without use. */
const SURPLUS_MS = 500;

export class Stage {
  readonly #options: StageOptions;
  readonly #cells = new Map<Cell, Occupancy>();
  /** Runs in some cell's `ready`, or waiting for a cell or for their journal. */
  readonly #queued = new Set<Run>();
  /** Runs that sit in no cell and want to, by tenant. */
  readonly #waiting = new Map<TenantId, Arrivals<Run>>();
  /** Since when nobody has wanted anything of a cell. */
  readonly #unused = new WeakMap<Cell, number>();
  /** What is still to be replayed of a run that boards a cell. */
  readonly #boarding = new Map<Run, Boarding>();
  /** Cells that were killed on purpose: their loss is nobody's fault. */
  readonly #condemned = new Set<Cell>();
  readonly replayCpu = new ReplayCpu();
  #closed = false;
  #draining = false;
  readonly #pool: CellPool;
  readonly #events: StageEvents;

  constructor(options: StageOptions) {
    this.#options = options;
    const { pool, transitions } = options;
    this.#pool = pool;
    this.#events = emitters(transitions.stage);
    const { cells, residence } = transitions;
    cells.onReady.listen((cell) => {
      this.#events.onCellReady(cell);
      this.#pump(cell);
    });
    cells.onFree.listen((cell) => this.#pump(cell));
    cells.onCranked.listen((cell, task, effects, head) => this.#cranked(cell, task, effects, head));
    cells.onReplayed.listen((cell, task, head) => this.#replayed(cell, task, head));
    cells.onFault.listen((cell, task, assignment, fault, head) => this.#faulted(cell, task, assignment, fault, head));
    cells.onExit.listen((cell, exit, error) => this.#exited(cell, exit, error));
    residence.onVacant.listen((tenant) => this.#retire(tenant));
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
  readonly load = (cell: Cell): number => (this.#cells.get(cell)?.byAssignment.size ?? 0) + this.#boardingIn(cell);

  /** Whether a run waits for its turn, a cell or its journal. */
  isBusy(run: Run): boolean {
    return this.#queued.has(run) || this.#boarding.has(run);
  }

  /** A tenant has nothing in memory: its cells are not kept for it. */
  #retire(tenant: TenantId): void {
    for (const cell of this.#pool.cells) if (cell.tenant === tenant && this.load(cell) === 0 && cell.idling) this.condemn(cell, undefined);
  }

  occupants(cell: Cell): Iterable<Run> {
    return this.#cells.get(cell)?.byAssignment.values() ?? [];
  }

  /** The run of an assignment. */
  seated(cell: Cell, assignment: number): Run | undefined {
    return this.#cells.get(cell)?.byAssignment.get(assignment);
  }

  /** The run that a cell is working for. */
  onCpu(cell: Cell): Run | undefined {
    return cell.task === undefined ? undefined : this.#cells.get(cell)?.byAssignment.get(cell.task.assignment);
  }

  /** The run may have something to do. Calling this once too often does no harm. */
  wake(run: Run): void {
    run.tick(this.#options.clock.monotonic());
    if (this.#closed || this.#draining || !run.runnable || this.#queued.has(run)) return;
    if (run.seat?.cell.taken === true) this.unseat(run);
    this.#queued.add(run);
    if (run.seat === undefined) {
      this.#arrive(run);
      this.#serve(run.tenant);
    } else {
      this.#occupancy(run.seat.cell).ready.push(run);
      this.#pump(run.seat.cell);
    }
  }

  #arrive(run: Run): void {
    const arrivals = this.#waiting.get(run.tenant) ?? new Arrivals<Run>();
    this.#waiting.set(run.tenant, arrivals);
    (run.ledger.seq === 0 ? arrivals.fresh : arrivals.returning).push(run);
  }

  /** Somebody of a tenant waits for a cell: one is found, or asked for. */
  #serve(tenant: TenantId): void {
    if (!this.#yields(tenant) && this.#pool.seat(tenant, this.load) === undefined) this.#reclaim(tenant);
    else this.#pumpAll(tenant);
  }

  readonly #yields = (tenant: TenantId): boolean => mustYield(tenant, this.#pool.count(), this.#waiting);

  #pumpAll(tenant: TenantId): void {
    for (const cell of this.#pool.cells) {
      if ((this.#waiting.get(tenant)?.length ?? 0) === 0) return;
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
    for (const cell of this.#pool.cells) if (cell.taken && (this.#cells.get(cell)?.ready.length ?? 0) > 0) this.rehome(cell);
    for (const [tenant, arrivals] of this.#waiting) {
      if (arrivals.length > 0) this.#serve(tenant);
      else this.#waiting.delete(tenant);
    }
  }

  /** Whether somebody in a cell has something to do there. */
  #isWanted(cell: Cell): boolean {
    if (cell.tenant !== undefined && (this.#waiting.get(cell.tenant)?.length ?? 0) > 0) return true;
    const occupancy = this.#cells.get(cell);
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
    for (const [tenant, arrivals] of this.#waiting)
      if (arrivals.length > 0 && !this.#yields(tenant) && this.#pool.seat(tenant, this.load) !== undefined) this.#pumpAll(tenant);
  }

  /** Gives up a run's isolate; whatever it knew is in its journal. The run must not be on the CPU. */
  unseat(run: Run): void {
    this.#boarding.delete(run);
    const seat = run.leaveSeat();
    if (seat === undefined) return;
    this.#cells.get(seat.cell)?.byAssignment.delete(seat.assignment);
    seat.cell.drop(seat.assignment);
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
    const idle = [...this.occupants(cell)].filter((run) => run.onCpu === undefined && !run.wants && !this.isBusy(run));
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
    const bystander = this.onCpu(cell);
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
    const stuck = this.onCpu(cell);
    const occupancy = this.#cells.get(cell);
    if (occupancy === undefined) return;
    const waiting = [...this.#takeBack(cell), ...occupancy.ready.splice(), ...occupancy.pages.splice()];
    for (const run of waiting) this.#queued.delete(run);
    for (const run of new Set([...waiting, ...occupancy.byAssignment.values()])) {
      // A run without anything to do stays for now; it moves when something comes for it.
      if (run === stuck) continue;
      // What was to be replayed here is replayed wherever it goes next, and read again.
      if (this.#boarding.has(run)) this.unseat(run);
      if (!run.runnable) continue;
      this.unseat(run);
      this.wake(run);
    }
  }

  /** Cranks that were sent ahead of their turn are taken back: their runs may go elsewhere. */
  #takeBack(cell: Cell): Run[] {
    const taken: Run[] = [];
    for (const task of cell.behind) {
      const run = this.#cells.get(cell)?.byAssignment.get(task.assignment);
      if (task.void || run?.onCpu === undefined) continue;
      task.void = true;
      this.#putBack(run);
      this.unseat(run);
      taken.push(run);
    }
    return taken;
  }

  #pump(cell: Cell): void {
    if (cell.tenant === undefined || this.#closed || this.#draining) return;
    while ((cell.idling || cell.roomy) && this.#step(cell, this.#occupancy(cell)));
  }

  /** Gives a cell the next thing to do; false where there is nothing that it can do now. */
  #step(cell: Cell, occupancy: Occupancy): boolean {
    const { ready, pages, turns } = occupancy;
    const arrivals = this.#waiting.get(cell.tenant as TenantId);
    const wanted = (arrivals?.length ?? 0) > 0;
    const others = pages.length > 0 || (wanted && occupancy.hasRoom);
    if (ready.length > 0 && !(others && turns.isSeconds)) {
      turns.first(others);
      this.#crankNext(ready.shift() as Run, cell);
      return true;
    }
    if (pages.length > 0) {
      // Replays are not sent ahead of their turn.
      if (!cell.idling) return false;
      turns.second();
      this.#replayNext(pages.shift() as Run, cell);
      return true;
    }
    const next = others ? arrivals?.next(this.#boardingIn(cell) < BOARDING.at_once) : undefined;
    if (next !== undefined) {
      turns.second();
      this.#admit(next, cell, occupancy);
      return !cell.doomed;
    }
    if (wanted && !others) this.#relieve(cell, occupancy);
    if (ready.length === 0) return false;
    turns.second();
    this.#crankNext(ready.shift() as Run, cell);
    return true;
  }

  #crankNext(run: Run, cell: Cell): void {
    this.#queued.delete(run);
    if (!run.runnable) return;
    if (run.seat?.cell === cell) this.#crank(run, cell);
    else this.wake(run);
  }

  /** Takes a run into a cell that has room for it. */
  #admit(run: Run, cell: Cell, occupancy: Occupancy): void {
    if (run.runnable && occupancy.byAssignment.size === 0 && cell.idling && occupancy.room.isSpent && this.#boardingIn(cell) === 0) {
      // What was given up has left too little room.
      this.#arrive(run);
      this.condemn(cell, undefined);
      return;
    }
    this.#queued.delete(run);
    if (!run.runnable) return;
    if (run.ledger.segment_entries > 0) return void this.#board(run, cell);
    this.#events.onBegin(run);
    this.#sit(run, cell);
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

  #boardingIn(cell: Cell): number {
    return this.#boarding.values().reduce((sum, one) => sum + Number(one.cell === cell), 0);
  }

  #crank(run: Run, cell: Cell): void {
    const { clock } = this.#options;
    const crank = run.seat && run.beginCrank(clock.now(), clock.monotonic());
    if (crank === undefined || run.seat === undefined) return;
    cell.crank(run.seat.assignment, crank.crank, crank.text, run.ledger.record.ceilings.crank_cpu_ms);
    this.#events.onCpu();
  }

  #sit(run: Run, cell: Cell): number {
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
    const occupancy = this.#occupancy(cell);
    occupancy.byAssignment.set(assignment, run);
    occupancy.room.made();
    return assignment;
  }

  /** Brings a run into a cell by replay, page by page; in between, the cell's other runs have their turns. */
  async #board(run: Run, cell: Cell): Promise<void> {
    this.#queued.add(run);
    const first = this.#options.replayPage(run, run.ledger.checkpoint?.seq ?? 0);
    const boarding: Boarding = { cell, next: first, page: undefined, assignment: undefined };
    this.#boarding.set(run, boarding);
    await this.#turnPage(run, boarding);
  }

  async #turnPage(run: Run, boarding: Boarding): Promise<void> {
    const { cell } = boarding;
    try {
      boarding.page = await boarding.next;
    } catch {
      if (this.#boarding.get(run) !== boarding) return;
      // The store cannot read it now; it may be able to in a moment.
      this.#disembark(run);
      this.unseat(run);
      this.#options.clock.after(AGAIN_MS, () => this.wake(run));
      return;
    }
    if (this.#boarding.get(run) !== boarding) return;
    if (cell.dead || cell.doomed || cell.taken) {
      this.#disembark(run);
      this.unseat(run);
      this.wake(run);
      return;
    }
    // The page after it is read while this one is replayed.
    boarding.next = boarding.page?.more === true ? this.#options.replayPage(run, boarding.page.last) : undefined;
    boarding.next?.catch(() => undefined);
    this.#occupancy(cell).pages.push(run);
    this.#pump(cell);
  }

  #disembark(run: Run): void {
    this.#boarding.delete(run);
    this.#queued.delete(run);
  }

  #replayNext(run: Run, cell: Cell): void {
    const boarding = this.#boarding.get(run);
    if (boarding?.cell !== cell) {
      this.#queued.delete(run);
      return this.wake(run);
    }
    const { page } = boarding;
    if (run.outcome !== undefined || page === undefined) {
      this.#disembark(run);
      this.unseat(run);
      return;
    }
    boarding.assignment ??= this.#sit(run, cell);
    if (page.cranks > 0) {
      cell.replay(boarding.assignment, page);
      this.#events.onCpu();
    } else this.#boarded(run, boarding);
  }

  #boarded(run: Run, boarding: Boarding): void {
    if (boarding.next !== undefined) return void this.#turnPage(run, boarding);
    this.#disembark(run);
    this.#events.onReplayed(run, boarding.cell);
    run.tick(this.#options.clock.monotonic());
    if (!run.runnable || run.seat?.cell !== boarding.cell || this.#queued.has(run)) return this.wake(run);
    // What it was brought in for comes before anybody else is.
    this.#queued.add(run);
    this.#occupancy(boarding.cell).ready.unshift(run);
  }

  #cranked(cell: Cell, task: Task, effects: string, head: FrameHead): void {
    const run = this.#cells.get(cell)?.byAssignment.get(task.assignment);
    if (cell.tenant === undefined) return;
    const took_ms = this.#took_ms(task);
    const measured_ms = took_ms < TICK_MS ? 0 : Math.min(usedBy(cell, task) ?? 0, took_ms);
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
    run.ledger.wall.forgive(now, now - run.crankBegan - took_ms);
    if (head.heap_kib > 0) run.heap_kib = head.heap_kib;
    // What the cell says it used cannot be more than the time it had, nor, of what is long enough to measure, less than was seen.
    const cpu_us = Math.max(Math.min(head.cpu_us, Math.ceil(took_ms * 1000)), Math.round(measured_ms * 1000));
    this.#events.onCranked(run, crank, effects, cpu_us);
    this.wake(run);
  }

  #replayed(cell: Cell, task: Task, head: FrameHead): void {
    this.replayCpu.charge(cell, task, head);
    const run = this.#cells.get(cell)?.byAssignment.get(task.assignment);
    const boarding = run && this.#boarding.get(run);
    if (run !== undefined && boarding !== undefined) this.#boarded(run, boarding);
    this.#pump(cell);
  }

  #faulted(cell: Cell, task: Task | undefined, assignment: number, fault: FaultPayload, head: FrameHead): void {
    const run = this.#cells.get(cell)?.byAssignment.get(assignment);
    this.#cells.get(cell)?.byAssignment.delete(assignment);
    this.replayCpu.charge(cell, task, head);
    if (run !== undefined) {
      this.#disembark(run);
      run.leaveSeat();
      const crank = run.leaveCpu();
      const took_ms = task === undefined ? 0 : this.#took_ms(task);
      const used_ms = task === undefined ? 0 : Math.min(Math.max(usedBy(cell, task) ?? 0, head.cpu_us / 1000), took_ms);
      if (task !== undefined) run.stopCrank(used_ms, this.#options.clock.monotonic());
      this.#events.onFault(run, cell, crank, fault, task, used_ms);
    }
    this.#pump(cell);
  }

  #exited(cell: Cell, exit: ProcessExit, error: CorralError | undefined): void {
    const run = this.onCpu(cell);
    const used_ms = cell.task === undefined ? 0 : billed(cell, cell.task);
    this.replayCpu.charge(cell, cell.task, undefined);
    const condemned = this.#condemned.delete(cell);
    // Whoever was on its CPU has moved on long since, and waits for its turn elsewhere.
    if (condemned) this.#cells.get(cell)?.byAssignment.clear();
    this.#evacuate(cell);
    this.#cells.delete(cell);
    cell.task = undefined;
    cell.behind = [];
    if (run !== undefined && !condemned && !this.#closed) {
      this.#events.onLost(run, run.leaveCpu(), exit, error, used_ms);
    }
    this.#events.onCellGone(cell, exit);
    this.#settle();
  }

  /** Everybody leaves a cell that is lost. Runs with something to do find another at once. */
  #evacuate(cell: Cell): void {
    const occupancy = this.#cells.get(cell);
    if (occupancy === undefined) return;
    const leaving = [...occupancy.ready.splice(), ...occupancy.pages.splice()];
    const runs = new Set([...this.#takeBack(cell), ...occupancy.byAssignment.values(), ...leaving]);
    const stuck = this.onCpu(cell);
    occupancy.byAssignment.clear();
    if (stuck !== undefined && cell.task !== undefined) occupancy.byAssignment.set(cell.task.assignment, stuck);
    for (const run of runs) {
      this.#disembark(run);
      if (run.seat?.cell === cell) run.leaveSeat();
      if (run !== stuck) this.wake(run);
    }
  }

  #occupancy(cell: Cell): Occupancy {
    const occupancy = this.#cells.get(cell) ?? new Occupancy(cell, this.#options.cell_memory_mib);
    this.#cells.set(cell, occupancy);
    return occupancy;
  }

  #took_ms(task: Task): number {
    return this.#options.clock.monotonic() - task.began - task.frozen_ms;
  }
}
