/** A run in memory: the four axes of its state, its queue, its isolate and its present crank. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import { Behind } from '@corral/broker/commit/behind';
import type { Crank } from '@corral/broker/bus';
import type { Result } from '@corral/protocol/wire/delivery';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Control, Lifecycle, Residency, WaitingOn } from '@corral/protocol/model/run';
import type { LoadedBundle } from '../admission/bundles.ts';
import type { Cell } from '../cells/cell.ts';
import { Alarms } from './alarms.ts';
import { RunQueue, type Queued } from './queue.ts';

/** The delivery of the present crank, as it was sent to the cell. */
export interface OnCpu extends Queued {
  readonly crank: number;
  readonly at: number;
  readonly text: string;
}

/** An isolate in a cell. */
export interface Seat {
  readonly cell: Cell;
  readonly assignment: number;
}

/** Weight of replay cost against recency in `worth`: a millisecond of replay counts as much as having been used this much later. */
const REPLAY_WEIGHT = 100;

/** State of a run that comes back from the store, besides its ledger. */
export interface Found {
  /** Time stamp of its last delivery, in milliseconds since 1970. */
  readonly lastAt?: number;
  readonly control?: Control;
  /** Answers of its calls that the store has kept. */
  readonly kept?: readonly Result[];
  /** It was restored from a backup. */
  readonly restored?: boolean;
}

export class Run {
  readonly ledger: Ledger;
  bundle: LoadedBundle;
  #epoch: number;
  #control: Control;
  #outcome: Outcome | undefined;
  #mailboxes: ReadonlySet<RunId> = new Set();
  readonly queue: RunQueue;
  readonly behind = new Behind<Crank>();
  #parking: Promise<void> | undefined;
  /** Answers of its calls that the store had kept when it was brought back. */
  readonly kept: readonly Result[];
  #restored: boolean;
  #wanted = 0;
  #seat: Seat | undefined;
  #onCpu: OnCpu | undefined;
  /** Time stamp of the last delivery: time never goes back for a run. */
  #lastAt = 0;
  #losses = 0;
  #setbacks = 0;
  #accuser: Cell | undefined;
  #apart: 'crank' | 'stay' | undefined;
  #heap_kib = 0;
  #lastUsed = 0;
  #busySince: number | undefined;
  #began: number | undefined;
  #crankBegan = 0;
  /** CPU time of the last crank when it was stopped, and the time of the stop. */
  #stopped: { readonly used_ms: number; readonly at: number } | undefined;
  readonly alarms = new Alarms();

  constructor(
    ledger: Ledger,
    bundle: LoadedBundle,
    epoch: number,
    { lastAt = 0, control = 'none', kept = [], restored = false }: Found = {},
  ) {
    this.ledger = ledger;
    this.bundle = bundle;
    this.#epoch = epoch;
    this.queue = new RunQueue(ledger);
    this.#lastAt = lastAt;
    this.#control = control;
    this.kept = kept;
    this.#restored = restored;
  }

  /** Approximate bytes that are in this process for the run. */
  get memory(): number {
    return this.ledger.memory + this.queue.memory + (this.#onCpu?.text.length ?? 0);
  }

  /** Epoch of the lease under which this host holds the run. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Called when the run was claimed again, under another epoch. */
  reclaimed(epoch: number): void {
    this.#epoch = epoch;
  }

  /** Whether the run is paused or under quarantine. */
  get control(): Control {
    return this.#control;
  }

  /** Pauses or quarantines the run: it gets no more deliveries. */
  stop(control: Exclude<Control, 'none'>): void {
    this.#control = control;
  }

  /** Ends the pause or quarantine. */
  goOn(): void {
    this.#control = 'none';
  }

  /** Its outcome, durable or not; undefined while it lives. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  end(outcome: Outcome): void {
    this.#outcome = outcome;
  }

  /** The other runs to whose mailboxes it could write when it ended. */
  get mailboxes(): ReadonlySet<RunId> {
    return this.#mailboxes;
  }

  /** @param mailboxes the runs that are looked at once its end is durable, since it writes to them no more */
  leaves(mailboxes: ReadonlySet<RunId>): void {
    this.#mailboxes = mailboxes;
  }

  /** Set while the run is being parked: it must not be changed until this resolves. */
  get parking(): Promise<void> | undefined {
    return this.#parking;
  }

  /** Marks the run as being parked. @param decided resolves once it is parked, or stays in memory */
  park(decided: Promise<void>): void {
    this.#parking = decided;
  }

  /** Called when the run was not parked after all. */
  stay(): void {
    this.#parking = undefined;
  }

  /** It was restored from a backup and has not been checked since (taken-up.ts). */
  get restored(): boolean {
    return this.#restored;
  }

  /** Called when a restored run is checked. */
  lookedAt(): void {
    this.#restored = false;
  }

  /** Whether some part of the host needs it in memory now; see `keep`. */
  get isAsked(): boolean {
    return this.#wanted > 0;
  }

  /** Keeps the run in memory until the returned function is called. */
  keep(): () => void {
    this.#wanted += 1;
    return () => {
      this.#wanted -= 1;
    };
  }

  /** Heap of its isolate, by the last report of its cell. */
  get heap_kib(): number {
    return this.#heap_kib;
  }

  holds(heap_kib: number): void {
    this.#heap_kib = heap_kib;
  }

  /** Since when it has had something to do without completing a crank, on the monotonic clock. */
  get busySince(): number | undefined {
    return this.#busySince;
  }

  /** Called when a crank of it has ended, with any result. */
  moved(): void {
    this.#busySince = undefined;
  }

  /** When its first crank began, on the monotonic clock; for an instance of a service, the first crank of its turn. */
  get began(): number | undefined {
    return this.#began;
  }

  begin(monotonic: number): void {
    this.#began = monotonic;
  }

  /** Called when the turn of a service's instance is over. */
  rest(): void {
    this.#began = undefined;
  }

  /** The place of its isolate; undefined if it has none. */
  get seat(): Seat | undefined {
    return this.#seat;
  }

  sit(seat: Seat): void {
    this.#seat = seat;
  }

  /** @returns the place that it had */
  leaveSeat(): Seat | undefined {
    const seat = this.#seat;
    this.#seat = undefined;
    return seat;
  }

  /** Its present crank; undefined if it is not on the CPU. */
  get onCpu(): OnCpu | undefined {
    return this.#onCpu;
  }

  get lastAt(): number {
    return this.#lastAt;
  }

  /** When its last crank began, or when it came into memory, on the monotonic clock. */
  get lastUsed(): number {
    return this.#lastUsed;
  }

  /** Called when it has come into memory. */
  used(monotonic: number): void {
    this.#lastUsed = monotonic;
  }

  /** When its last crank began, on the monotonic clock. */
  get crankBegan(): number {
    return this.#crankBegan;
  }

  /**
   * Begins a crank with the next delivery.
   * @param now in milliseconds since 1970
   * @returns undefined if no delivery can be given now
   */
  beginCrank(now: number, monotonic: number): OnCpu | undefined {
    const queued = this.queue.take();
    if (queued === undefined) return undefined;
    const at = Math.max(now, this.#lastAt);
    this.#onCpu = { ...queued, at, crank: this.ledger.seq + 1, text: JSON.stringify({ ...queued.delivery, at }) };
    this.#lastAt = at;
    this.#crankBegan = this.#lastUsed = monotonic;
    // In the journal the run begins with this crank. An attempt at it that was lost with its cell is not in there.
    if (this.ledger.wall.began_at === undefined) this.ledger.wall.start(monotonic, 0);
    this.tick(monotonic);
    return this.#onCpu;
  }

  /** Whether a crank of the run is on the CPU or is being decided. */
  get isAtWork(): boolean {
    return this.#onCpu !== undefined || this.behind.deciding;
  }

  /** Called when it is no longer on the CPU. @returns its crank, which the caller completes, puts back or drops */
  leaveCpu(): OnCpu | undefined {
    const crank = this.#onCpu;
    this.#onCpu = undefined;
    return crank;
  }

  /**
   * Discards the present crank, also one that is being decided; its delivery is the next one again. The caller drains `behind` in the same
   * synchronous step if the crank was being decided.
   * @returns whether there was a crank
   */
  putBack(): boolean {
    const crank = this.leaveCpu() ?? this.behind.drop();
    if (crank !== undefined) this.queue.putBack(crank);
    return crank !== undefined;
  }

  /** Number of cells that died during its present crank. */
  get losses(): number {
    return this.#losses;
  }

  /** Called when its crank was lost with its cell. */
  lose(): void {
    this.#losses += 1;
  }

  /** Called when its crank, which may have ended its cell, is repeated: until it is completed, the run has a cell of its own. */
  repeatApart(): void {
    this.#apart ??= 'crank';
  }

  /** How often its present crank, or the replay before it, was stopped because of time in which its process was frozen or waited. */
  get setbacks(): number {
    return this.#setbacks;
  }

  /** Called when its crank is repeated because its process was frozen or had to wait, for which the run is not to blame. */
  setBack(): void {
    this.#setbacks += 1;
  }

  /** Called when a crank of it was completed. */
  cranked(): void {
    this.#losses = 0;
    this.#setbacks = 0;
    if (this.#apart === 'crank') this.#apart = undefined;
  }

  /** The cell that said that the run replays differently, until another cell has replayed it too. */
  get accuser(): Cell | undefined {
    return this.#accuser;
  }

  /**
   * Called when a cell said that it replays differently, or broke a rule during its replay. The cell may have been taken over by another
   * run, so from now on this one has a cell of its own.
   * @param by undefined if that cell is gone
   */
  accused(by: Cell | undefined): void {
    this.#accuser = by;
    this.#apart = 'stay';
  }

  /** Called when another cell has replayed it without a difference. */
  acquit(): void {
    this.#accuser = undefined;
  }

  /** Whether it must not share a cell: until its present crank is completed, or while it is in memory. */
  get isApart(): boolean {
    return this.#apart !== undefined;
  }

  /** Starts or stops its wall clock, which does not run while the run waits for a CPU or must not go on. */
  tick(monotonic: number): void {
    const free = this.isFree;
    const busy = this.isAtWork || this.hasWork;
    if (free && busy) this.#busySince ??= monotonic;
    else this.#busySince = undefined;
    this.ledger.wall.give(monotonic, free && (this.#onCpu !== undefined || !busy));
  }

  /** Wall time that is left. */
  wallLeft_ms(monotonic: number): number {
    return this.ledger.record.ceilings.wall_ms - this.ledger.wall.own(monotonic);
  }

  /** Value of keeping its isolate, for comparisons: higher if it was used recently, or if its replay is expensive. */
  get worth(): number {
    return this.#lastUsed + (this.ledger.segment_cpu_us / 1000) * REPLAY_WEIGHT;
  }

  /** Called when its crank was stopped. @param used_ms CPU time of the crank @param at on the monotonic clock */
  stopCrank(used_ms: number, at: number): void {
    this.#stopped = { used_ms, at };
  }

  /** Time since its last crank began; for a crank that was stopped, its CPU time plus the time since the stop. */
  crankAge(now: number): number {
    if (this.#began === undefined) return 0;
    return this.#stopped === undefined ? now - this.#crankBegan : this.#stopped.used_ms + now - this.#stopped.at;
  }

  /** Whether a delivery can be given to it now. */
  get hasWork(): boolean {
    return this.queue.hasNext;
  }

  /** Whether it is neither paused, nor under quarantine, nor held. */
  get isFree(): boolean {
    return this.#control === 'none' && this.ledger.held === undefined;
  }

  /** Whether it needs its place in memory: it has a delivery and may go on. The deliveries of a run that may not go on are in the store. */
  get wants(): boolean {
    return this.isFree && this.hasWork;
  }

  get agents(): LoadedBundle['agents'] {
    return this.bundle.agents;
  }
  get manifest(): AgentManifest {
    return this.bundle.agent(this.ledger.record.agent);
  }
  get id(): RunId {
    return this.ledger.record.id;
  }
  get tenant(): TenantId {
    return this.ledger.record.tenant;
  }
  get lifecycle(): Lifecycle {
    if (this.#outcome !== undefined) return 'ended';
    return this.#began === undefined && !(this.ledger.record.service !== undefined && this.ledger.hasState) ? 'queued' : 'active';
  }
  get residency(): Residency {
    return this.#seat === undefined ? 'parked' : 'resident';
  }
  get waiting(): WaitingOn {
    return this.#outcome === undefined ? this.ledger.waitingOn() : 'nothing';
  }
  /** Whether the scheduler may begin a crank of it. */
  get runnable(): boolean {
    return (
      this.#outcome === undefined &&
      this.isFree &&
      this.#parking === undefined &&
      !this.alarms.has('slow') &&
      !this.isAtWork &&
      this.hasWork
    );
  }
}
