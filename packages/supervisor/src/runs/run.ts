/** A run as its supervisor holds it: the four axes of its state, what waits for it, where it sits. */
import type { Ledger } from '@corral/broker/ledger/ledger';
import type { Result } from '@corral/protocol/wire/delivery';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { AgentManifest } from '@corral/protocol/model/manifest';
import type { Outcome } from '@corral/protocol/model/outcome';
import type { Control, Lifecycle, Residency, WaitingOn } from '@corral/protocol/model/run';
import type { LoadedBundle } from '../admission/bundles.ts';
import type { Cell } from '../cells/cell.ts';
import { Alarms } from './alarms.ts';
import { RunQueue, type Queued } from './queue.ts';

/** A delivery on the CPU, as it was sent. */
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

/** A millisecond of replay counts like so many milliseconds of having been used more lately. */
const REPLAY_WEIGHT = 100;

/** What is known of a run that comes back from the store. */
export interface Found {
  /** Time stamp of its last delivery, in milliseconds since 1970. */
  readonly lastAt?: number;
  readonly control?: Control;
  /** Answers of its calls that the store has. */
  readonly kept?: readonly Result[];
  /** It came out of a backup. */
  readonly restored?: boolean;
}

export class Run {
  readonly ledger: Ledger;
  bundle: LoadedBundle;
  #epoch: number;
  #control: Control;
  #outcome: Outcome | undefined;
  readonly queue: RunQueue;
  #parking: Promise<void> | undefined;
  /** Answers of its calls that the store had when it was brought back. */
  readonly kept: readonly Result[];
  #restored: boolean;
  #wanted = 0;
  #doubted = false;
  #seat: Seat | undefined;
  #onCpu: OnCpu | undefined;
  /** Time stamp of the last delivery: time never goes back for a run. */
  #lastAt = 0;
  #losses = 0;
  #setbacks = 0;
  #heap_kib = 0;
  #lastUsed = 0;
  #busySince: number | undefined;
  #began: number | undefined;
  #crankBegan = 0;
  /** What that crank had used of the CPU when it was stopped, and when that was. */
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

  /** Under which this host holds it. */
  get epoch(): number {
    return this.#epoch;
  }

  /** It was claimed again, under another epoch. */
  reclaimed(epoch: number): void {
    this.#epoch = epoch;
  }

  /** Whether somebody keeps it still. */
  get control(): Control {
    return this.#control;
  }

  /** It is given nothing any more. */
  stop(control: Exclude<Control, 'none'>): void {
    this.#control = control;
  }

  /** Nobody keeps it still any more. */
  goOn(): void {
    this.#control = 'none';
  }

  /** How it has ended, durably or not. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  end(outcome: Outcome): void {
    this.#outcome = outcome;
  }

  /** It is being given up to the store and must not be touched until that is decided. */
  get parking(): Promise<void> | undefined {
    return this.#parking;
  }

  /** @param decided resolves once it is parked, or stays */
  park(decided: Promise<void>): void {
    this.#parking = decided;
  }

  /** It was not parked after all. */
  stay(): void {
    this.#parking = undefined;
  }

  /** It came out of a backup, and nobody has looked at it since. */
  get restored(): boolean {
    return this.#restored;
  }

  /** Somebody looks at it. */
  lookedAt(): void {
    this.#restored = false;
  }

  /** Whether somebody has just asked for it and is about to do something with it. */
  get isAsked(): boolean {
    return this.#wanted > 0;
  }

  /** Somebody is about to do something with it: it stays in memory until what is returned is called. */
  keep(): () => void {
    this.#wanted += 1;
    return () => {
      this.#wanted -= 1;
    };
  }

  /** Whether it can ever wake is being looked up. */
  get doubted(): boolean {
    return this.#doubted;
  }

  doubt(): void {
    this.#doubted = true;
  }

  /** It is known again whether it can wake. */
  settle(): void {
    this.#doubted = false;
  }

  /** Heap of its isolate, as its cell said last. */
  get heap_kib(): number {
    return this.#heap_kib;
  }

  holds(heap_kib: number): void {
    this.#heap_kib = heap_kib;
  }

  /** Since when it has had something to do without a crank of it being completed. */
  get busySince(): number | undefined {
    return this.#busySince;
  }

  /** A crank of it is over, whatever came of it. */
  moved(): void {
    this.#busySince = undefined;
  }

  /** When its first crank began, on the monotonic clock; of a turn, where it is an instance of a service. */
  get began(): number | undefined {
    return this.#began;
  }

  begin(monotonic: number): void {
    this.#began = monotonic;
  }

  /** Its turn is over: the next one begins anew. */
  rest(): void {
    this.#began = undefined;
  }

  /** Where its isolate is, if it has one. */
  get seat(): Seat | undefined {
    return this.#seat;
  }

  sit(seat: Seat): void {
    this.#seat = seat;
  }

  /** @returns where it sat */
  leaveSeat(): Seat | undefined {
    const seat = this.#seat;
    this.#seat = undefined;
    return seat;
  }

  /** The crank that it is at. */
  get onCpu(): OnCpu | undefined {
    return this.#onCpu;
  }

  get lastAt(): number {
    return this.#lastAt;
  }

  /** When it last was on the CPU, on the monotonic clock. */
  get lastUsed(): number {
    return this.#lastUsed;
  }

  /** It is in memory, and was not on the CPU yet. */
  used(monotonic: number): void {
    this.#lastUsed = monotonic;
  }

  /** When its last crank began, on the monotonic clock. */
  get crankBegan(): number {
    return this.#crankBegan;
  }

  /**
   * Takes what it is given next on to the CPU.
   * @param now in milliseconds since 1970
   */
  beginCrank(now: number, monotonic: number): OnCpu | undefined {
    const queued = this.queue.take();
    if (queued === undefined) return undefined;
    const at = Math.max(now, this.#lastAt);
    this.#onCpu = { ...queued, at, crank: this.ledger.seq + 1, text: JSON.stringify({ ...queued.delivery, at }) };
    this.#lastAt = at;
    this.#crankBegan = this.#lastUsed = monotonic;
    this.tick(monotonic);
    return this.#onCpu;
  }

  /** It is not on the CPU any more. @returns the crank that it was at, of which nobody has said yet what becomes of it */
  leaveCpu(): OnCpu | undefined {
    const crank = this.#onCpu;
    this.#onCpu = undefined;
    return crank;
  }

  /** Its crank counts for nothing, and is made again. @returns whether it was at one */
  putBack(): boolean {
    const crank = this.leaveCpu();
    if (crank !== undefined) this.queue.putBack(crank);
    return crank !== undefined;
  }

  /** Cells that died under its current crank. */
  get losses(): number {
    return this.#losses;
  }

  /** Its crank was lost with its cell. */
  lose(): void {
    this.#losses += 1;
  }

  /** How often its current crank, or the replay before it, was stopped for time that it spent standing still. */
  get setbacks(): number {
    return this.#setbacks;
  }

  /** Its crank is given up, and made again: a process that was stopped says nothing about the run, nor about its cell. */
  setBack(): void {
    this.#setbacks += 1;
  }

  /** A crank of it was made. */
  cranked(): void {
    this.#losses = 0;
    this.#setbacks = 0;
  }

  /** Tells its clock whether its own time passes now: not while it has something to do, and is not on a CPU. */
  tick(monotonic: number): void {
    const free = this.isFree;
    const busy = this.#onCpu !== undefined || this.hasWork;
    if (free && busy) this.#busySince ??= monotonic;
    else this.#busySince = undefined;
    this.ledger.wall.give(monotonic, free && (this.#onCpu !== undefined || !busy));
  }

  /** Wall time that is left to it. */
  wallLeft_ms(monotonic: number): number {
    return this.ledger.record.ceilings.wall_ms - this.ledger.wall.own(monotonic);
  }

  /** How much is lost with its isolate, to be compared: the more lately it was used, and the dearer it is to replay, the more. */
  get worth(): number {
    return this.#lastUsed + (this.ledger.segment_cpu_us / 1000) * REPLAY_WEIGHT;
  }

  /** Its crank was stopped, after so much time on the CPU. */
  stopCrank(used_ms: number, at: number): void {
    this.#stopped = { used_ms, at };
  }

  /** Time since its last crank began; for one that was stopped, its time on the CPU and the time since then. */
  crankAge(now: number): number {
    if (this.#began === undefined) return 0;
    return this.#stopped === undefined ? now - this.#crankBegan : this.#stopped.used_ms + now - this.#stopped.at;
  }

  /** Something waits for it that it can be given now. */
  get hasWork(): boolean {
    return this.queue.hasNext;
  }

  /** It may go on, as far as people and hosts are concerned. */
  get isFree(): boolean {
    return this.#control === 'none' && this.ledger.held === undefined;
  }

  /** It has a use for its place and its isolate: something waits for it, and it may go on. What waits for one that is held is in the store. */
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
  /** It has something to do and may do it. */
  get runnable(): boolean {
    return (
      this.#outcome === undefined &&
      this.isFree &&
      this.#parking === undefined &&
      !this.alarms.has('slow') &&
      this.#onCpu === undefined &&
      this.hasWork
    );
  }
}
