/**
 * Simulated cells: processes that use the real frames and do one thing at a time. They can be slow, stall, be stopped and continued, die
 * in the middle of a frame, or send invalid frames.
 */
import type { Delivery } from '@corral/protocol/wire/delivery';
import {
  encodeFrame,
  FrameKind,
  FrameReader,
  type FaultKind,
  type Frame,
  type FrameHead,
  type ReplayPayload,
  type StartPayload,
} from '@corral/protocol/wire/frame';
import { canonical } from '@corral/protocol/json';
import type { CellLauncher, CellProcess, CellProcessEvents } from '@corral/protocol/ports/machine';
import type { Dice } from './dice.ts';
import { Anomaly, Guest, type Played } from './guest.ts';
import type { Pulse } from './pulse.ts';
import type { Timeline } from './timeline.ts';

export interface CellsObserver {
  /** A crank begins, other than in replay. */
  readonly cranking: (run: string, delivery: Delivery, text: string) => void;
  /** The process dies with work for these runs, and not because of the supervisor. */
  readonly dying: (runs: readonly string[]) => void;
  /** A run computes for longer than allowed, or its isolate ends it. */
  readonly excused: (run: string, for_: string) => void;
  readonly broken: (what: string) => void;
}

export interface CellsTemper {
  /** Probabilities for each crank. */
  readonly crashing: number;
  readonly stalling: number;
  readonly slow: number;
  readonly garbling: number;
  /** Probability that a process does not start, and the maximum number of failures in a row. */
  readonly stillborn: number;
  readonly stillbirths?: number;
  /** Whether the use of a process can be measured on this platform. */
  readonly metered: boolean;
}

const VERSIONS = { node: '26.0.0', v8: '14', icu: '78' };
const LONGEST = 256 * 1024 * 1024;
const IDLE_MIB = 50;
/** Maximum error of sums of times. */
const ROUNDING_MS = 1e-6;
/** CPU time that a crank may use according to the manifests of the workload, less the error of measuring. */
const CRANK_MS = 95;

export class Cells implements CellLauncher {
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly observer: CellsObserver;
  readonly temper: CellsTemper;
  readonly #cells = new Set<SimCell>();
  #pids = 1000;
  /** The cells cause no more faults. */
  calm = false;
  stillborn = 0;
  cranks = 0;
  replayed = 0;

  constructor(timeline: Timeline, dice: Dice, observer: CellsObserver, temper: CellsTemper) {
    this.timeline = timeline;
    this.dice = dice;
    this.observer = observer;
    this.temper = temper;
  }

  /** The launcher of one host: once the host is dead, it gets no more events. */
  launcher(pulse: Pulse): CellLauncher {
    return {
      launch: (events) =>
        this.launch({
          onBytes: (bytes) => pulse.when(() => events.onBytes(bytes)),
          onExit: (exit) => pulse.when(() => events.onExit(exit)),
        }),
    };
  }

  launch(events: CellProcessEvents): CellProcess {
    this.#pids += 1;
    const cell = new SimCell(this, this.#pids, events, () => this.#cells.delete(cell));
    this.#cells.add(cell);
    return cell;
  }

  /** Kills all cells, because their host is gone. */
  orphaned(): void {
    for (const cell of this.#cells) cell.kill();
  }

  /** One of the cells dies by itself. */
  strike(): void {
    const cells = [...this.#cells].filter(({ ready }) => ready);
    if (cells.length > 0) this.dice.pick(cells).die('SIGSEGV');
  }
}

interface Isolate {
  readonly start: StartPayload;
  guest: Guest;
}

class SimCell implements CellProcess {
  readonly #world: Cells;
  readonly #pid: number;
  readonly #events: CellProcessEvents;
  readonly #onGone: () => void;
  readonly #isolates = new Map<number, Isolate>();
  readonly #inbound: Frame[] = [];
  /** Assignments that the supervisor has dropped; the frame may still be on its way. */
  readonly #dropped = new Set<number>();
  readonly #reader: FrameReader;
  /** Bytes on their way to the supervisor, in order. */
  readonly #outbound: { readonly bytes: Buffer; readonly answers: number | undefined }[] = [];
  #sending = false;
  /** Time at which the last bytes from the supervisor arrive. */
  #arrives = 0;
  /** The work in progress. */
  #work: { left_ms: number; since: number; readonly run: string; readonly done: () => void; stop: () => void } | undefined;
  /** Work whose answer has not arrived yet, by assignment. */
  readonly #owing: { readonly assignment: number; readonly run: string }[] = [];
  #frozen = false;
  #frozenFor = 0;
  #dead = false;
  #cpu_ms = 30;

  constructor(world: Cells, pid: number, events: CellProcessEvents, onGone: () => void) {
    this.#world = world;
    this.#pid = pid;
    this.#events = events;
    this.#onGone = onGone;
    const all = [
      FrameKind.hello,
      FrameKind.bundle,
      FrameKind.start,
      FrameKind.crank,
      FrameKind.replay,
      FrameKind.drop,
      FrameKind.describe,
      FrameKind.spare,
    ];
    this.#reader = new FrameReader({ accept: Object.fromEntries(all.map((kind) => [kind, LONGEST])) });
  }

  /** The process has started. */
  ready = false;

  get pid(): number | undefined {
    return this.#dead ? undefined : this.#pid;
  }

  write(bytes: Buffer): void {
    const frames: Frame[] = [];
    this.#reader.push(bytes, (frame) => frames.push(frame));
    for (const { kind, assignment } of frames) if (kind === FrameKind.drop) this.#dropped.add(assignment);
    const { timeline, dice } = this.#world;
    this.#arrives = Math.max(this.#arrives, timeline.now + dice.spread(0.005, 0.1));
    timeline.after(this.#arrives - timeline.now, () => {
      if (this.#dead) return;
      this.#inbound.push(...frames);
      this.#next();
    });
  }

  freeze(): boolean {
    if (this.#dead) return false;
    const turn = (this.#frozenFor += 1);
    // A signal takes effect a moment after it was sent.
    this.#world.timeline.after(this.#world.dice.spread(0.001, 0.3), () => turn === this.#frozenFor && this.#stand());
    return true;
  }

  thaw(): boolean {
    if (this.#dead) return false;
    this.#frozenFor += 1;
    if (!this.#frozen) return true;
    this.#frozen = false;
    this.#resume();
    this.#next();
    return true;
  }

  stopped(): boolean {
    return this.#dead || this.#frozen;
  }

  demote(): void {}

  kill(): void {
    if (this.#dead) return;
    this.#exit('SIGKILL');
  }

  /** The process dies by itself. */
  die(signal: string): void {
    if (this.#dead) return;
    this.#world.observer.dying(this.#owing.map(({ run }) => run));
    this.#exit(signal);
  }

  meter(): { readonly cpu_ms: number; readonly rss_mib: number } | undefined {
    if (this.#dead || !this.#world.temper.metered) return undefined;
    const going = this.#work === undefined || this.#frozen ? 0 : this.#world.timeline.now - this.#work.since;
    return { cpu_ms: this.#cpu_ms + going, rss_mib: IDLE_MIB + this.#isolates.size };
  }

  #exit(signal: string): void {
    this.#dead = true;
    this.#work?.stop();
    this.#onGone();
    // A part of what it had written may still arrive.
    const rest = Buffer.concat(this.#outbound.splice(0).map(({ bytes }) => bytes));
    const { timeline, dice } = this.#world;
    const arrives = rest.subarray(0, dice.below(rest.length + 1));
    timeline.after(dice.spread(0.01, 2), () => {
      if (arrives.length > 0) this.#events.onBytes(arrives);
      timeline.after(dice.spread(0.01, 5), () => this.#events.onExit({ code: null, signal, lastWords: '' }));
    });
  }

  #stand(): void {
    if (this.#dead || this.#frozen) return;
    this.#frozen = true;
    if (this.#work === undefined) return;
    this.#work.stop();
    const went = this.#world.timeline.now - this.#work.since;
    this.#cpu_ms += went;
    this.#work.left_ms = Math.max(0, this.#work.left_ms - went);
  }

  #resume(): void {
    const work = this.#work;
    if (work === undefined) return;
    work.since = this.#world.timeline.now;
    work.stop = this.#world.timeline.after(work.left_ms, () => {
      this.#cpu_ms += this.#world.timeline.now - work.since;
      this.#work = undefined;
      work.done();
      this.#next();
    });
  }

  #busy(ms: number, run: string, done: () => void): void {
    this.#work = { left_ms: ms, since: 0, run, done, stop: () => undefined };
    if (!this.#frozen) this.#resume();
  }

  #next(): void {
    if (this.#dead || this.#frozen || this.#work !== undefined) return;
    const frame = this.#inbound.shift();
    if (frame === undefined) return;
    const { dice, temper, calm } = this.#world;
    switch (frame.kind) {
      case FrameKind.hello: {
        const fails = !calm && dice.chance(temper.stillborn) && this.#world.stillborn < (temper.stillbirths ?? 2);
        if (fails) this.#world.stillborn += 1;
        else this.#world.stillborn = 0;
        this.#busy(dice.spread(5, 80), '', () => (fails ? this.die('SIGABRT') : this.#isUp(frame)));
        return;
      }
      case FrameKind.start:
        this.#isolates.set(frame.assignment, { start: JSON.parse(frame.payload) as StartPayload, guest: new Guest() });
        this.#load(frame, dice.spread(0.2, 2));
        return;
      case FrameKind.crank:
        this.#crank(frame);
        return;
      case FrameKind.replay:
        this.#replay(frame);
        return;
      case FrameKind.spare: {
        const heap_kib = !calm && dice.chance(0.1) ? 0 : 500;
        const ms = dice.spread(0.2, 20);
        this.#busy(ms, '', () => this.#send({ ...frame, kind: FrameKind.spared, cpu_us: ms * 1000, heap_kib }, ''));
        return;
      }
      case FrameKind.drop:
        this.#isolates.delete(frame.assignment);
        break;
      default:
        break;
    }
    this.#next();
  }

  #load(frame: Frame, ms: number): void {
    this.#busy(ms, '', () => this.#send({ ...frame, kind: FrameKind.loaded, cpu_us: ms * 1000, heap_kib: 0 }, ''));
  }

  #isUp(hello: Frame): void {
    this.ready = true;
    this.#send({ ...hello, kind: FrameKind.ready }, JSON.stringify({ pid: this.#pid, ...VERSIONS }));
  }

  #crank(frame: Frame): void {
    const isolate = this.#isolates.get(frame.assignment);
    if (isolate === undefined) return this.#next();
    const { dice, temper, calm, observer } = this.#world;
    const delivery = JSON.parse(frame.payload) as Delivery;
    const { guest } = isolate;
    this.#world.cranks += 1;
    const run = guest.run === '' && delivery.kind === 'start' ? delivery.run : guest.run;
    this.#owing.push({ assignment: frame.assignment, run });
    // Nothing that a dropped assignment does counts.
    if (!this.#dropped.has(frame.assignment)) observer.cranking(run, delivery, frame.payload);
    const played = this.#play(guest, delivery, `crank ${frame.crank} of ${run}`);
    let ms = dice.spread(0.02, 1.5) + played.spin_ms;
    if (!calm && dice.chance(temper.slow)) ms += dice.spread(5, 200);
    if (!calm && dice.chance(temper.stalling)) {
      ms += dice.spread(200, 2_000);
    }
    if (ms > CRANK_MS) observer.excused(run, 'cpu');
    if (!calm && dice.chance(temper.crashing)) {
      this.#busy(ms * dice.next(), run, () => this.die('SIGSEGV'));
      return;
    }
    const limit_ms = frame.cpu_us / 1000;
    const began = this.#world.timeline.now;
    this.#busy(frame.cpu_us > 0 ? Math.min(ms, limit_ms) : ms, run, () => {
      const head = { ...frame, cpu_us: ms * 1000, heap_kib: 500 };
      // The cell's own timer also runs while the process is stopped.
      if (frame.cpu_us > 0 && this.#world.timeline.now - began >= limit_ms - ROUNDING_MS) this.#fail(frame, 'timeout', run);
      else if (played.fault !== undefined) this.#fail(frame, played.fault, run);
      else if (!calm && dice.chance(temper.garbling)) this.#garble(head, JSON.stringify(played.effects));
      else {
        this.#send({ ...head, kind: FrameKind.cranked }, JSON.stringify(played.effects), frame.assignment);
      }
    });
  }

  #replay(frame: Frame): void {
    const isolate = this.#isolates.get(frame.assignment);
    if (isolate === undefined) return this.#next();
    const { dice, temper, calm } = this.#world;
    const { cranks } = JSON.parse(frame.payload) as ReplayPayload;
    let difference: string | undefined;
    let ms = 0.1;
    let run = '';
    for (const { crank, delivery, effects } of cranks) {
      this.#world.replayed += 1;
      const given = JSON.parse(delivery) as Delivery;
      if (given.kind === 'start') run = given.run;
      const played = this.#play(isolate.guest, given, `replay of crank ${crank} of ${run}`);
      ms += dice.spread(0.01, 0.2) + played.spin_ms;
      const [expected, seen] = [canonical(JSON.parse(effects)), canonical(played.effects)];
      if (expected === seen) continue;
      difference = `crank ${crank}: expected ${expected}, saw ${seen}`;
      break;
    }
    run ||= isolate.guest.run;
    this.#owing.push({ assignment: frame.assignment, run });
    if (!calm && dice.chance(temper.crashing)) {
      this.#busy(ms * dice.next(), run, () => this.die('SIGSEGV'));
      return;
    }
    this.#busy(ms, run, () => {
      if (difference === undefined) {
        this.#send({ ...frame, kind: FrameKind.replayed, cpu_us: ms * 1000, heap_kib: 500 }, '', frame.assignment);
        return;
      }
      this.#world.observer.broken(`the replay of ${run} goes another way at ${difference}`);
      this.#fail(frame, 'diverged', run);
    });
  }

  #play(guest: Guest, delivery: Delivery, what: string): Played {
    try {
      return guest.crank(delivery);
    } catch (error) {
      if (!(error instanceof Anomaly)) throw error;
      this.#world.observer.broken(`in ${what}, ${error.message}`);
      return { effects: [], spin_ms: 0, fault: 'rejected' };
    }
  }

  #fail(frame: Frame, fault: FaultKind, run: string): void {
    this.#isolates.delete(frame.assignment);
    this.#world.observer.excused(run, fault);
    const more = fault === 'diverged' ? { crank: frame.crank, expected: 'something', seen: 'else' } : {};
    this.#send(
      { ...frame, kind: FrameKind.fault, cpu_us: 1000, heap_kib: 0 },
      JSON.stringify({ fault, message: `simulated ${fault}`, ...more }),
      frame.assignment,
    );
  }

  /** Sends a frame that does not answer what was asked. */
  #garble(head: FrameHead, effects: string): void {
    const { dice, observer } = this.#world;
    observer.dying(this.#owing.map(({ run }) => run));
    const wrong = dice.pick<Partial<FrameHead>>([
      { incarnation: head.incarnation + 1 },
      { assignment: head.assignment + 1 },
      { crank: head.crank + 1 },
      { kind: FrameKind.replayed },
      { kind: 77 as FrameKind },
    ]);
    this.#send({ ...head, kind: FrameKind.cranked, ...wrong }, wrong.kind === FrameKind.replayed ? '' : effects);
  }

  #answered(assignment: number): void {
    const i = this.#owing.findIndex((one) => one.assignment === assignment);
    if (i >= 0) this.#owing.splice(i, 1);
  }

  /** @param answers the assignment whose work the frame answers */
  #send(head: FrameHead, payload: string, answers?: number): void {
    const { dice } = this.#world;
    const bytes = encodeFrame(head, payload);
    // Some frames are sent in two pieces.
    const cut = dice.chance(0.2) ? dice.below(bytes.length) : 0;
    if (cut > 0) this.#outbound.push({ bytes: bytes.subarray(0, cut), answers: undefined });
    this.#outbound.push({ bytes: bytes.subarray(cut), answers });
    this.#deliver();
  }

  #deliver(): void {
    if (this.#sending) return;
    this.#sending = true;
    this.#world.timeline.after(this.#world.dice.spread(0.005, 0.15), () => {
      this.#sending = false;
      if (this.#dead) return;
      const next = this.#outbound.shift();
      if (next?.answers !== undefined) this.#answered(next.answers);
      if (next !== undefined) this.#events.onBytes(next.bytes);
      if (this.#outbound.length > 0) this.#deliver();
    });
  }
}
