/**
 * A cell from the supervisor's side: its process, its tasks, and the frames to and from it. The process is not trusted: a frame is checked
 * by its header before it is buffered, and a frame that answers no request ends the cell.
 */
import { CorralError } from '@corral/protocol/errors';
import {
  FrameKind,
  type Frame,
  type FrameHead,
  type ReadyPayload,
  type SparePayload,
  type StartPayload,
} from '@corral/protocol/wire/frame';
import type { CellId, TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { ReplayPage } from '@corral/protocol/ports/store';
import { withheld } from '@corral/protocol/wire/withheld';
import type { CellLauncher, CellProcess, ProcessMeter } from '@corral/protocol/ports/machine';
import type { EventsOf } from './cell-events.ts';
import { Growth, Rise } from './growth.ts';
import { Tenure } from './household.ts';
import { Isolates, type Made } from './isolates.ts';
import { faultFrom, readyFrom } from './reports.ts';
import { replayLimit_ms, Task } from './task.ts';
import { textName, Wire, type BundleText } from './wire.ts';

export type StartOptions = Omit<StartPayload, 'bundle' | 'load_cpu_us'>;
export type SpareOptions = Omit<SparePayload, 'bundle' | 'load_cpu_us'>;

export type CellEvents = EventsOf<Cell>;

/** Maximum of cranks that are sent ahead of their turn. */
const AHEAD = 3;
/** Maximum age of the measurement of an idle process from which the next task is measured. Milliseconds. */
const LOOK_MS = 20;

export class Cell {
  readonly id: CellId;
  readonly incarnation: number;
  readonly #process: CellProcess;
  readonly #events: CellEvents;
  readonly #now: () => number;
  readonly #wire: Wire;
  readonly #isolates = new Isolates();
  #frozenSince: number | undefined;
  #violation: CorralError | undefined;
  #demoted = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #runtime: ReadyPayload | undefined;
  #task: Task | undefined;
  #behind: Task[] = [];
  /** Assignment of the latest task that ended. */
  #last: number | undefined;
  #metered = false;
  #dead = false;
  #killed = false;
  #stuck = false;
  #paused = false;
  #idle: ProcessMeter | undefined;
  #precise = false;
  readonly growth = new Growth();
  readonly #rise = new Rise();
  readonly tenure = new Tenure();

  constructor(id: CellId, incarnation: number, launcher: CellLauncher, now: () => number, events: CellEvents) {
    this.id = id;
    this.incarnation = incarnation;
    this.#events = events;
    this.#now = now;
    this.#wire = new Wire(id, incarnation, {
      write: (bytes) => this.#process.write(bytes),
      check: (head) => this.#check(head),
      take: (frame) => this.#take(frame),
      broken: (error) => {
        this.#violation = error;
        this.kill();
      },
    });
    this.#process = launcher.launch({
      onBytes: (bytes) => this.#killed || this.#wire.receive(bytes),
      onExit: (exit) => {
        this.#dead = true;
        this.#events.onExit(this, exit, this.#violation);
      },
    });
    this.#wire.send(
      FrameKind.hello,
      0,
      0,
      0,
      JSON.stringify({ effects_per_crank: MACHINE.effects_per_crank.default, effects_bytes: MACHINE.effects_bytes.default }),
    );
  }

  /** The tenant to which the cell was bound; undefined before that, and for a cell that the host borrowed. */
  get tenant(): TenantId | undefined {
    return this.tenure.tenant;
  }

  get runtime(): ReadyPayload | undefined {
    return this.#runtime;
  }

  /** The present task. */
  get task(): Task | undefined {
    return this.#task;
  }

  /** Assignment of the run that is on the CPU, or was the last on it; undefined if there was none. */
  get latest(): number | undefined {
    return this.#task === undefined || this.#task.kind === 'spare' ? this.#last : this.#task.assignment;
  }

  /** The next tasks, which are sent already so that the process need not sleep and be woken in between. */
  get behind(): readonly Task[] {
    return this.#behind;
  }

  /** The process has ended. */
  get dead(): boolean {
    return this.#dead;
  }

  /** The cell was killed; frames that still arrive are ignored. */
  get killed(): boolean {
    return this.#killed;
  }

  /** The present crank computes for so long that the other runs were moved, and no run is brought in. */
  get stuck(): boolean {
    return this.#stuck;
  }

  /** The cell is frozen because the run on its CPU was paused; only the end of the pause thaws it. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Measurement of the process when it last had no task. */
  get idle(): ProcessMeter | undefined {
    return this.#idle;
  }

  /** The cell holds so much memory, or grows so quickly, that the process is measured before and after every crank. */
  get precise(): boolean {
    return this.#precise;
  }

  /** Whether this platform measures the process. If it does, and there is no measurement, the process has just ended. */
  get metered(): boolean {
    return this.#metered;
  }

  /** Number of frames sent to the cell. */
  get sent(): number {
    return this.#wire.sent;
  }

  /** Removes its tasks; called after the process has ended and the tasks were settled. */
  clear(): void {
    this.#task = undefined;
    this.#behind = [];
  }

  /** Freezes the cell because the run on its CPU is paused. */
  pause(): void {
    this.#paused = true;
    this.freeze();
  }

  resume(): void {
    this.#paused = false;
    this.thaw();
  }

  /** @returns false if it was stuck already */
  becomeStuck(): boolean {
    const before = this.#stuck;
    this.#stuck = true;
    return !before;
  }

  /** Decides by the size and the growth of the process how closely it is measured. @param most_mib its maximum */
  sized(rss_mib: number, most_mib: number): void {
    const rises = this.#rise.look(rss_mib, this.#isolates.made, this.#now());
    if (!this.#precise && (rises || rss_mib > most_mib / 2)) {
      this.#precise = true;
      this.growth.clear();
    } else if (this.#precise && !rises && rss_mib < most_mib / 3) this.#precise = false;
  }

  /**
   * Whether a crank may be sent behind the present one. Only for LOOK_MS, since the process must be measured while it is idle now and then.
   */
  get roomy(): boolean {
    return (
      this.#task?.kind === 'crank' &&
      !this.#precise &&
      this.#behind.length < AHEAD &&
      !this.#killed &&
      !this.#stuck &&
      this.#frozenSince === undefined &&
      this.#now() - this.#lookedAt < LOOK_MS
    );
  }

  /** Whether the present task or one behind it belongs to an assignment. */
  worksFor(assignment: number): boolean {
    return this.#task?.assignment === assignment || this.isBehind(assignment);
  }

  /** Whether a crank of an assignment was sent and has not begun. */
  isBehind(assignment: number): boolean {
    return this.#behind.some((task) => task.assignment === assignment);
  }

  /** The cell is reserved for the run on its CPU; no other run should be brought in. */
  get taken(): boolean {
    return this.#stuck || this.#paused;
  }

  /** Id of the process as this machine sees it, outside the cell's own namespace. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  get ready(): boolean {
    return this.#runtime !== undefined && !this.#dead;
  }

  get idling(): boolean {
    return this.ready && !this.#killed && this.#task === undefined && this.#frozenSince === undefined;
  }

  get frozen(): boolean {
    return this.#frozenSince !== undefined;
  }

  /**
   * Makes an isolate, or gives a run one that was made in advance.
   * @param load_ms CPU time that loading the bundle may take
   * @param armed_ms time after which the cell itself interrupts the load, and says where it was; 0: never
   * @returns its assignment, by which frames name it
   */
  start(bundle: BundleText, start: StartOptions, load_ms: number, made?: Made, armed_ms = 0): number {
    const assignment = made?.assignment ?? this.#isolates.make(load_ms);
    if (made !== undefined) this.#isolates.given(made);
    this.#wire.sendBundle(bundle);
    this.#wire.send(FrameKind.start, assignment, 0, 0, JSON.stringify(this.#payload(bundle, start, load_ms, armed_ms)));
    return assignment;
  }

  /**
   * @param limit_ms CPU time that the crank may use
   * @param armed_ms time after which the cell itself interrupts the agent, and says where it was; 0: never
   */
  crank(assignment: number, crank: number, delivery: string, limit_ms: number, armed_ms = 0): void {
    this.#begin('crank', assignment, crank, limit_ms);
    this.#wire.send(FrameKind.crank, assignment, crank, this.#own_us(limit_ms, armed_ms), withheld(delivery));
    this.#asked();
  }

  replay(assignment: number, { text, last, cranks, cpu_us }: ReplayPage): void {
    this.#begin('replay', assignment, last, replayLimit_ms(cranks, cpu_us));
    this.#wire.send(FrameKind.replay, assignment, last, this.#own_us(MACHINE.replay_slack_ms.default), text);
    this.#asked();
  }

  describe(bundle: BundleText, start: StartOptions, load_ms: number): void {
    this.#load('describe', 0, bundle, start, load_ms);
  }

  /** Makes an isolate in advance. @returns its assignment */
  spare(bundle: BundleText, options: SpareOptions, load_ms: number): number {
    const assignment = this.#isolates.make(load_ms);
    this.#load('spare', assignment, bundle, options, load_ms);
    return assignment;
  }

  #load(kind: 'describe' | 'spare', assignment: number, bundle: BundleText, options: SpareOptions, load_ms: number): void {
    this.#wire.sendBundle(bundle);
    this.#begin(kind, assignment, 0, load_ms, load_ms);
    this.#wire.send(FrameKind[kind], assignment, 0, this.#own_us(load_ms), JSON.stringify(this.#payload(bundle, options, load_ms)));
    this.#asked();
  }

  /** Disposes of the isolate of an assignment. */
  drop(assignment: number): void {
    this.growth.forget(assignment);
    this.#isolates.drop(assignment);
    if (!this.#dead) this.#wire.send(FrameKind.drop, assignment, 0, 0, '');
  }

  /** Suspends the process until `thaw`. @returns false if it was frozen already, or cannot be */
  freeze(): boolean {
    if (this.#frozenSince !== undefined || !this.#process.freeze()) return false;
    this.#frozenSince = this.#now();
    return true;
  }

  /** Whether the process has come to a stop; true on platforms that do not report it. */
  get still(): boolean {
    return this.#process.stopped() ?? true;
  }

  thaw(): void {
    if (this.#frozenSince === undefined) return;
    this.#task?.froze(this.#now() - this.#frozenSince);
    this.#frozenSince = undefined;
    this.#process.thaw();
    this.#events.onFree(this);
  }

  /** Lowers the priority of the process until its present task has ended; called for a long task. */
  demote(): void {
    if (this.#demoted) return;
    this.#demoted = true;
    this.#process.demote(true);
  }

  kill(): void {
    this.#killed = true;
    this.#process.kill();
  }

  /** Kills a cell that does what no sound cell does. The run on its CPU, if there is one, is blamed. */
  killAsUntrusted(why: string): void {
    this.#violation = new CorralError('CORRAL_CELL_PROTOCOL', `Cell ${this.id} is no longer trusted. ${why}`);
    this.kill();
  }

  meter(): ProcessMeter | undefined {
    return this.#process.meter();
  }

  /** Measures the process while it has no task. */
  look(): void {
    this.#idle = this.meter();
    this.#lookedAt = this.#now();
  }

  /** How long the present task has had the cell, without the time in which the process was frozen. */
  held_ms(): number {
    if (this.#task === undefined) return 0;
    const until = this.#frozenSince ?? this.#now();
    return until - this.#task.began - this.#task.frozen_ms;
  }

  #begin(kind: Task['kind'], assignment: number, crank: number, limit_ms: number, load_ms = this.#isolates.load_ms(assignment)): void {
    const loaded_ms = this.#isolates.takeLoad_ms(assignment);
    const task = new Task({ kind, assignment, crank, limit_ms, load_ms, loaded_ms }, this.#now());
    if (this.#task !== undefined) {
      this.#behind.push(task);
      return;
    }
    // The task is measured from the state of the process before it. A measurement takes a few microseconds, so an older one is used if it
    // is recent.
    if (this.#precise || task.began - this.#lookedAt > LOOK_MS) {
      this.look();
      task.follows(this.#idle);
    }
    this.#task = task;
  }

  /** Called when the request for the task that was begun last has been written. */
  #asked(): void {
    (this.#behind.at(-1) ?? this.#task)?.askedBy(this.#wire.written);
  }

  /** Called when the present task has ended: the next one that was sent has the CPU now. */
  #advance(): void {
    const done = this.#task;
    if (done?.kind !== 'spare') this.#last = done?.assignment;
    this.#task = this.#behind.shift();
    if (this.#task !== undefined) this.#task.begin(this.#now());
    else if (this.#precise && done !== undefined) {
      const before = this.#idle?.rss_mib;
      this.look();
      if (before !== undefined && this.#idle !== undefined) this.growth.charge(done.assignment, this.#idle.rss_mib - before);
    }
  }

  /**
   * The limit that the cell itself enforces, in microseconds; 0: none. The cell can only measure elapsed time, in which others may have the
   * CPU. So if CPU time can be measured from outside, that measurement alone decides.
   */
  #own_us(limit_ms: number, armed_ms = 0): number {
    return armed_ms > 0 ? armed_ms * 1000 : this.#metered ? 0 : limit_ms * 1000;
  }

  #payload(bundle: BundleText, options: SpareOptions, load_ms: number, armed_ms = 0): SparePayload {
    return { ...options, bundle: textName(bundle), load_cpu_us: this.#own_us(load_ms, armed_ms) };
  }

  /** Checks that a frame answers a request. Called with the header, before the payload is read. @throws CORRAL_CELL_PROTOCOL */
  #check(head: FrameHead): void {
    const { task } = this;
    const isExpected = head.kind === FrameKind.ready ? this.#runtime === undefined : this.#isolates.expects(head, task);
    if (head.incarnation !== this.incarnation || !isExpected) {
      throw new CorralError('CORRAL_CELL_PROTOCOL', `Cell ${this.id} sent a frame of kind ${head.kind} that answers no request.`);
    }
    // A cell that answers what it guesses, and reads nothing, would have the host keep everything that it is sent.
    const answersTask = task !== undefined && head.kind !== FrameKind.loaded;
    if (answersTask && this.#wire.written - (this.#process.unsent?.() ?? 0) < task.asked)
      throw new CorralError('CORRAL_CELL_PROTOCOL', `Cell ${this.id} answered a request that it has not read.`);
  }

  #take(frame: Frame): void {
    const { task } = this;
    if (frame.kind === FrameKind.ready) {
      this.#runtime = readyFrom(frame.payload);
      this.#metered = this.meter() !== undefined;
      this.#events.onReady(this);
      return;
    }
    if (frame.kind === FrameKind.loaded) {
      this.#isolates.saysLoaded(frame.assignment);
      if (task?.assignment === frame.assignment) task.hasLoaded(frame.cpu_us / 1000);
      return;
    }
    const fault = frame.kind === FrameKind.fault ? faultFrom(frame.payload) : undefined;
    if (fault === undefined) this.#isolates.answered(frame.assignment);
    else {
      if (!this.#isolates.mayReport(fault, frame.assignment, task))
        throw new CorralError('CORRAL_CELL_PROTOCOL', `Cell ${this.id} reported the fault ${fault.fault} where it cannot occur.`);
      this.#isolates.faulted(frame.assignment);
      this.growth.forget(frame.assignment);
    }
    if (task === undefined || (fault !== undefined && task.assignment !== frame.assignment)) {
      if (fault !== undefined) this.#events.onFault(this, undefined, frame.assignment, fault, frame);
      return;
    }
    // Only the answer to the present task makes the cell free; a fault of another run does not.
    this.#stuck = false;
    if (this.#demoted) {
      this.#demoted = false;
      this.#process.demote(false);
    }
    this.#advance();
    if (task.kind === 'crank') this.tenure.cranked(this.#now);
    if (task.void) this.#events.onFree(this);
    else if (fault !== undefined) this.#events.onFault(this, task, frame.assignment, fault, frame);
    else if (task.kind === 'crank') this.#events.onCranked(this, task, frame.payload, frame);
    else if (task.kind === 'replay') this.#events.onReplayed(this, task, frame);
    else if (task.kind === 'spare') this.#events.onSpared(this, task, frame);
    else this.#events.onDescribed(this, task, frame.payload);
  }
}
