/**
 * One cell, from the supervisor's side: its process, the frames to and from it, which runs stay in it. The process is not
 * trusted: a frame is judged by its header before it is buffered, and one that does not answer what was asked ends it.
 */
import { CorralError } from '@corral/protocol/errors';
import {
  BUNDLES_PER_CELL,
  encodeFrame,
  FrameKind,
  FrameReader,
  type FaultPayload,
  type Frame,
  type FrameHead,
  type ReadyPayload,
  type StartPayload,
} from '@corral/protocol/wire/frame';
import type { CellId, TenantId } from '@corral/protocol/ids';
import { ADMISSION, MACHINE } from '@corral/protocol/limits';
import type { ReplayPage } from '@corral/protocol/ports/store';
import { withheld } from '@corral/protocol/wire/withheld';
import type { CellLauncher, CellProcess, ProcessExit, ProcessMeter } from '@corral/protocol/ports/machine';
import { Growth } from './growth.ts';
import { Isolates } from './isolates.ts';
import { faultFrom, readyFrom } from './reports.ts';
import { replayLimit_ms, Task } from './task.ts';

export interface BundleText {
  readonly digest: string;
  readonly source: string;
}
export type StartOptions = Omit<StartPayload, 'bundle' | 'load_cpu_us'>;

export interface CellEvents {
  readonly onReady: (cell: Cell) => void;
  /** It may take work again: it was frozen, or busy with something that no longer counts. */
  readonly onFree: (cell: Cell) => void;
  readonly onCranked: (cell: Cell, task: Task, effects: string, head: FrameHead) => void;
  readonly onReplayed: (cell: Cell, task: Task, head: FrameHead) => void;
  readonly onDescribed: (cell: Cell, task: Task, manifests: string) => void;
  /** The isolate of this run is gone; the cell lives on. */
  readonly onFault: (cell: Cell, task: Task | undefined, assignment: number, fault: FaultPayload, head: FrameHead) => void;
  /** The process is gone, by itself or by `kill`. */
  readonly onExit: (cell: Cell, exit: ProcessExit, error: CorralError | undefined) => void;
}

/** A manifest with its two schemas. */
export const LONGEST_MANIFEST = ADMISSION.manifest_bytes.default + 2 * ADMISSION.schema_bytes.default;
/** Cranks sent ahead of their turn at most. */
const AHEAD = 3;
/** How old a look at an idle process may be to measure the next task against. */
const LOOK_MS = 20;
/** Longest fault report and handshake. */
const SMALL = 64 * 1024;

export class Cell {
  readonly id: CellId;
  readonly incarnation: number;
  readonly #process: CellProcess;
  readonly #events: CellEvents;
  readonly #now: () => number;
  readonly #bundles = new Set<string>();
  readonly #reader: FrameReader;
  readonly #isolates = new Isolates();
  #frozenSince: number | undefined;
  #violation: CorralError | undefined;
  #demoted = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #tenant: TenantId | undefined;
  #runtime: ReadyPayload | undefined;
  #task: Task | undefined;
  #behind: Task[] = [];
  /** Whether this platform tells what the process uses. */
  #metered = false;
  #dead = false;
  #doomed = false;
  #stuck = false;
  #paused = false;
  #idle: ProcessMeter | undefined;
  #precise = false;
  #sent = 0;
  readonly growth = new Growth();

  constructor(id: CellId, incarnation: number, launcher: CellLauncher, now: () => number, events: CellEvents) {
    this.id = id;
    this.incarnation = incarnation;
    this.#events = events;
    this.#now = now;
    this.#reader = new FrameReader({
      accept: {
        [FrameKind.ready]: SMALL,
        [FrameKind.cranked]: MACHINE.frame_bytes.default,
        [FrameKind.replayed]: 0,
        [FrameKind.fault]: SMALL,
        [FrameKind.described]: ADMISSION.agents_per_bundle.default * LONGEST_MANIFEST,
      },
      check: (head) => this.#check(head),
    });
    this.#process = launcher.launch({
      onBytes: (bytes) => this.#receive(bytes),
      onExit: (exit) => {
        this.#dead = true;
        this.#events.onExit(this, exit, this.#violation);
      },
    });
    this.#send(
      FrameKind.hello,
      0,
      0,
      0,
      JSON.stringify({ effects_per_crank: MACHINE.effects_per_crank.default, effects_bytes: MACHINE.effects_bytes.default }),
    );
  }

  /** Whom it was given to, once and for all. */
  get tenant(): TenantId | undefined {
    return this.#tenant;
  }

  get runtime(): ReadyPayload | undefined {
    return this.#runtime;
  }

  /** What it is at. */
  get task(): Task | undefined {
    return this.#task;
  }

  /** What it will be at next: already sent, so that the process need not sleep and be woken in between. */
  get behind(): readonly Task[] {
    return this.#behind;
  }

  /** Its process is gone. */
  get dead(): boolean {
    return this.#dead;
  }

  /** It was killed, and nothing it still says counts. */
  get doomed(): boolean {
    return this.#doomed;
  }

  /** Its crank computes for so long that its other runs have been moved, and no more come. */
  get stuck(): boolean {
    return this.#stuck;
  }

  /** It is frozen because somebody paused the run on its CPU, and only they may thaw it. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Where the process stood when it last had nothing to do. */
  get idle(): ProcessMeter | undefined {
    return this.#idle;
  }

  /** It holds so much that each of its cranks is measured by itself. */
  get precise(): boolean {
    return this.#precise;
  }

  /** Frames it was sent so far. */
  get sent(): number {
    return this.#sent;
  }

  bind(tenant: TenantId | undefined): void {
    this.#tenant = tenant;
  }

  /** Its process is gone, and it has been seen what it was at. */
  clear(): void {
    this.#task = undefined;
    this.#behind = [];
  }

  /** Freezes it for the run on its CPU. */
  pause(): void {
    this.#paused = true;
    this.freeze();
  }

  resume(): void {
    this.#paused = false;
    this.thaw();
  }

  /** @returns false where it was so already */
  becomeStuck(): boolean {
    const before = this.#stuck;
    this.#stuck = true;
    return !before;
  }

  /** Its size decides how closely it is measured. @param most_mib that it may hold */
  sized(rss_mib: number, most_mib: number): void {
    if (!this.#precise && rss_mib > most_mib / 2) {
      this.#precise = true;
      this.growth.clear();
    } else if (this.#precise && rss_mib < most_mib / 3) this.#precise = false;
  }

  /** Whether a crank may be sent behind the one it is at. Not for long: in between, the process must be looked at while idle. */
  get roomy(): boolean {
    return (
      this.#task?.kind === 'crank' &&
      !this.#precise &&
      this.#behind.length < AHEAD &&
      !this.#doomed &&
      !this.#stuck &&
      this.#frozenSince === undefined &&
      this.#now() - this.#lookedAt < LOOK_MS
    );
  }

  /** Whether it works for an assignment, or is about to. */
  worksFor(assignment: number): boolean {
    return this.#task?.assignment === assignment || this.isBehind(assignment);
  }

  /** Whether a crank for an assignment has been sent, and has not begun. */
  isBehind(assignment: number): boolean {
    return this.#behind.some((task) => task.assignment === assignment);
  }

  /** One run keeps it to itself: nobody else should be sent here. */
  get taken(): boolean {
    return this.#stuck || this.#paused;
  }

  /** As this machine sees it. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  get ready(): boolean {
    return this.#runtime !== undefined && !this.#dead;
  }

  get idling(): boolean {
    return this.ready && !this.#doomed && this.#task === undefined && this.#frozenSince === undefined;
  }

  get frozen(): boolean {
    return this.#frozenSince !== undefined;
  }

  /**
   * Makes an isolate for a run.
   * @param load_ms CPU time that loading the bundle may take
   * @returns how the run is called in this cell from now on
   */
  start(bundle: BundleText, start: StartOptions, load_ms: number): number {
    const assignment = this.#isolates.make();
    this.#sendBundle(bundle);
    this.#send(FrameKind.start, assignment, 0, 0, JSON.stringify(this.#startPayload(bundle, start, load_ms)));
    return assignment;
  }

  /** @param limit_ms CPU time that the crank may use */
  crank(assignment: number, crank: number, delivery: string, limit_ms: number): void {
    this.#begin('crank', assignment, crank, limit_ms);
    this.#send(FrameKind.crank, assignment, crank, this.#own_us(limit_ms), withheld(delivery));
  }

  replay(assignment: number, { text, last, cranks, cpu_us }: ReplayPage): void {
    this.#begin('replay', assignment, last, replayLimit_ms(cranks, cpu_us));
    this.#send(FrameKind.replay, assignment, last, this.#own_us(MACHINE.replay_slack_ms.default), text);
  }

  describe(bundle: BundleText, start: StartOptions, load_ms: number): void {
    this.#sendBundle(bundle);
    this.#begin('describe', 0, 0, load_ms);
    this.#send(FrameKind.describe, 0, 0, this.#own_us(load_ms), JSON.stringify(this.#startPayload(bundle, start, load_ms)));
  }

  /** Disposes of a run's isolate. */
  drop(assignment: number): void {
    this.growth.forget(assignment);
    this.#isolates.drop(assignment);
    if (!this.#dead) this.#send(FrameKind.drop, assignment, 0, 0, '');
  }

  /** Stops the process where it stands: no instruction of it runs until `thaw`. */
  freeze(): boolean {
    if (this.#frozenSince !== undefined || !this.#process.freeze()) return false;
    this.#frozenSince = this.#now();
    return true;
  }

  /** Whether the process stands still by now; true where nobody can tell. */
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

  /** The current task computes for long: it gives way to the others until it is over. */
  demote(): void {
    if (this.#demoted) return;
    this.#demoted = true;
    this.#process.demote(true);
  }

  kill(): void {
    this.#doomed = true;
    this.#process.kill();
  }

  /** It does what no sound cell does: it is killed, and the run on its CPU, if there is one, is to blame. */
  disown(why: string): void {
    this.#violation = new CorralError('CORRAL_CELL_PROTOCOL', `Cell ${this.id} is no longer sound. ${why}`);
    this.kill();
  }

  meter(): ProcessMeter | undefined {
    return this.#process.meter();
  }

  /** Remembers what the process holds now, while it has nothing to do. */
  look(): void {
    this.#idle = this.meter();
    this.#lookedAt = this.#now();
  }

  /** How long the current task has held the cell, without the time the process was stopped. */
  held_ms(): number {
    if (this.#task === undefined) return 0;
    const until = this.#frozenSince ?? this.#now();
    return until - this.#task.began - this.#task.frozen_ms;
  }

  #begin(kind: Task['kind'], assignment: number, crank: number, limit_ms: number): void {
    const task = new Task({ kind, assignment, crank, limit_ms }, this.#now());
    if (this.#task !== undefined) {
      this.#behind.push(task);
      return;
    }
    // What the process held before is what the task is measured against. Looking costs a few microseconds, so not each time.
    if (this.#precise || task.began - this.#lookedAt > LOOK_MS) {
      this.look();
      task.follows(this.#idle);
    }
    this.#task = task;
  }

  /** The current task is over; what was sent behind it has the CPU now. */
  #advance(): void {
    const done = this.#task;
    this.#task = this.#behind.shift();
    if (this.#task !== undefined) this.#task.begin(this.#now());
    else if (this.#precise && done !== undefined) {
      const before = this.#idle?.rss_mib;
      this.look();
      if (before !== undefined && this.#idle !== undefined) this.growth.charge(done.assignment, this.#idle.rss_mib - before);
    }
  }

  /**
   * What the cell itself is told about a limit. It can only go by the clock on the wall, while others may have the CPU; so where
   * CPU time can be measured from outside, that alone decides.
   */
  #own_us(limit_ms: number): number {
    return this.#metered ? 0 : limit_ms * 1000;
  }

  #startPayload(bundle: BundleText, start: StartOptions, load_ms: number): StartPayload {
    return { ...start, bundle: bundle.digest, load_cpu_us: this.#own_us(load_ms) };
  }

  #sendBundle({ digest, source }: BundleText): void {
    if (this.#bundles.has(digest)) return;
    if (this.#bundles.size >= BUNDLES_PER_CELL) this.#bundles.delete(this.#bundles.values().next().value as string);
    this.#bundles.add(digest);
    this.#send(FrameKind.bundle, 0, 0, 0, `${digest}\n${source}`);
  }

  #send(kind: FrameKind, assignment: number, crank: number, cpu_us: number, payload: string): void {
    this.#sent += 1;
    this.#process.write(encodeFrame({ kind, incarnation: this.incarnation, assignment, crank, cpu_us, heap_kib: 0 }, payload));
  }

  #receive(bytes: Buffer): void {
    if (this.#doomed) return;
    try {
      this.#reader.push(bytes, (frame) => this.#take(frame));
    } catch (error) {
      // Our own mistake, brought about by what the cell sent: it costs the cell, not the host.
      this.#violation =
        error instanceof CorralError
          ? error
          : new CorralError('CORRAL_INTERNAL', `What a cell sent could not be taken in: ${String(error)}.`);
      this.kill();
    }
  }

  /** A sound cell answers exactly what it was asked. Called with the header alone. */
  #check(head: FrameHead): void {
    const { task } = this;
    const expected =
      head.incarnation === this.incarnation &&
      (head.kind === FrameKind.ready
        ? this.#runtime === undefined
        : // A load that failed is reported before the crank that was sent after it is.
          head.kind === FrameKind.fault
          ? this.#isolates.mayFault(head.assignment) || (task?.kind === 'describe' && head.assignment === task.assignment)
          : task?.isAnsweredBy(head) === true);
    if (!expected) {
      throw new CorralError('CORRAL_CELL_PROTOCOL', `Cell ${this.id} sent a frame of kind ${head.kind} that answers nothing it was asked.`);
    }
  }

  #take(frame: Frame): void {
    const { task } = this;
    if (frame.kind === FrameKind.ready) {
      this.#runtime = readyFrom(frame.payload);
      this.#metered = this.meter() !== undefined;
      this.#events.onReady(this);
      return;
    }
    if (frame.kind === FrameKind.fault) {
      this.#isolates.faulted(frame.assignment);
      this.growth.forget(frame.assignment);
    }
    const fault = frame.kind === FrameKind.fault ? faultFrom(frame.payload) : undefined;
    if (task === undefined || (fault !== undefined && task.assignment !== frame.assignment)) {
      if (fault !== undefined) this.#events.onFault(this, undefined, frame.assignment, fault, frame);
      return;
    }
    // Only the end of what it was at makes it free: a report about another run does not.
    this.#stuck = false;
    if (this.#demoted) {
      this.#demoted = false;
      this.#process.demote(false);
    }
    this.#advance();
    if (task.void) this.#events.onFree(this);
    else if (fault !== undefined) this.#events.onFault(this, task, frame.assignment, fault, frame);
    else if (task.kind === 'crank') this.#events.onCranked(this, task, frame.payload, frame);
    else if (task.kind === 'replay') this.#events.onReplayed(this, task, frame);
    else this.#events.onDescribed(this, task, frame.payload);
  }
}
