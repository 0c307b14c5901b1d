/** A piece of work that a cell does for one of its runs, with its start and its use of CPU and memory. A cell does one at a time. */
import { FrameKind, REPLAY_FACTOR, type FrameHead } from '@corral/protocol/wire/frame';
import { MACHINE } from '@corral/protocol/limits';
import type { ProcessMeter } from '@corral/protocol/ports/machine';

export interface TaskOptions {
  readonly kind: 'crank' | 'replay' | 'describe' | 'spare';
  readonly assignment: number;
  readonly crank: number;
  /** CPU time after which the task is ended from outside; the cell itself tries to end it sooner. */
  readonly limit_ms: number;
  /** CPU time of the load of its isolate, if that was made in advance: it is billed as if this task had done it. */
  readonly loaded_ms?: number;
  /** CPU time that loading the bundle may take, which comes before what `limit_ms` is for; 0: it is loaded already. */
  readonly load_ms?: number;
}

/** Assumed memory of an empty cell that has not been measured yet. */
const FRESH_CELL_MIB = 60;

const ANSWERS = { crank: FrameKind.cranked, replay: FrameKind.replayed, describe: FrameKind.described, spare: FrameKind.spared } as const;
/** Number of cranks of one replay for which the whole slack is added. */
const SLACKS = 10;

/** CPU time that a page of a replay may use. @param cpu_us recorded CPU time of its cranks */
export const replayLimit_ms = (cranks: number, cpu_us: number): number =>
  (cpu_us / 1000) * REPLAY_FACTOR + Math.min(cranks, SLACKS) * MACHINE.replay_slack_ms.default;

export class Task implements TaskOptions {
  readonly kind: TaskOptions['kind'];
  readonly assignment: number;
  readonly crank: number;
  readonly limit_ms: number;
  readonly loaded_ms: number;
  readonly load_ms: number;
  /** CPU time that loading the bundle has taken; undefined: it is not over yet. */
  #load_ms: number | undefined;
  #began: number;
  #frozen_ms = 0;
  #void = false;
  /** It began directly after another task, so the process was not measured in between. */
  #followed = false;
  #cpuBefore_ms: number | undefined;
  #besideBefore_ms: number | undefined;
  #rssBefore_mib: number | undefined;
  #used_ms: number | undefined;
  #asked = 0;

  constructor({ kind, assignment, crank, limit_ms, loaded_ms = 0, load_ms = 0 }: TaskOptions, now: number) {
    this.kind = kind;
    this.assignment = assignment;
    this.crank = crank;
    this.limit_ms = limit_ms;
    this.loaded_ms = loaded_ms;
    this.load_ms = load_ms;
    if (load_ms === 0) this.#load_ms = 0;
    this.#began = now;
  }

  /** When the task got the cell's CPU. */
  get began(): number {
    return this.#began;
  }

  /** How long the process was frozen during the task. */
  get frozen_ms(): number {
    return this.#frozen_ms;
  }

  /** The run was moved to another cell before its turn came, so the cell's answer is ignored. */
  get void(): boolean {
    return this.#void;
  }

  /** CPU time of the process before the task began; undefined until the process was measured. */
  get cpuBefore_ms(): number | undefined {
    return this.#cpuBefore_ms;
  }

  /** CPU time of the task at the last measurement. */
  get used_ms(): number | undefined {
    return this.#used_ms;
  }

  /** Whether this frame is the answer of a sound cell to this task, judged by the header alone. */
  isAnsweredBy({ kind, assignment, crank }: FrameHead): boolean {
    return assignment === this.assignment && crank === this.crank && kind === ANSWERS[this.kind];
  }

  /** Sets the CPU time that the process had used before the task began. */
  follows(idle: ProcessMeter | undefined): void {
    this.#cpuBefore_ms = idle?.cpu_ms;
  }

  /** Called when the task before it has ended, so that this one has the CPU. */
  begin(now: number): void {
    this.#began = now;
    this.#followed = true;
  }

  /** Its bundle is loaded. @param took_ms by the cell's own figure: one that lies gains no more than what a load may take anyhow */
  hasLoaded(took_ms: number): void {
    this.#load_ms ??= Math.min(took_ms, this.load_ms);
  }

  /** Whether the cell has not said yet that the bundle is loaded. */
  get isLoading(): boolean {
    return this.#load_ms === undefined;
  }

  /** The part of its work that is under way, with the limit of that. @param used_ms CPU time of the task so far */
  phase(used_ms: number): { readonly what: string; readonly used_ms: number; readonly limit_ms: number } {
    // The recorded time of a replay, of which its limit is a multiple, has that of the load in it.
    if (this.#load_ms === undefined) return { what: 'Loading its bundle', used_ms, limit_ms: Math.max(this.load_ms, this.limit_ms) };
    return { what: 'One crank', used_ms: used_ms - this.#load_ms, limit_ms: this.limit_ms };
  }

  froze(for_ms: number): void {
    this.#frozen_ms += for_ms;
  }

  /** How many bytes had been written to the cell with the request for this task. */
  get asked(): number {
    return this.#asked;
  }

  askedBy(bytes: number): void {
    this.#asked = bytes;
  }

  takeBack(): void {
    this.#void = true;
  }

  /**
   * Records a measurement of the process.
   * @param idle measurement of the process when it last had nothing to do
   * @returns CPU time of this task, CPU time of the other threads meanwhile, and growth of the process since it began
   */
  measure(meter: ProcessMeter, idle: ProcessMeter | undefined): Measured {
    const { cpu_ms, rss_mib } = meter;
    this.#cpuBefore_ms ??= cpu_ms;
    this.#besideBefore_ms ??= beside_ms(this.#followed ? meter : (idle ?? meter));
    this.#rssBefore_mib ??= this.#followed ? rss_mib : (idle?.rss_mib ?? FRESH_CELL_MIB);
    this.#used_ms = cpu_ms - this.#cpuBefore_ms;
    return { used_ms: this.#used_ms, beside_ms: beside_ms(meter) - this.#besideBefore_ms, grown_mib: rss_mib - this.#rssBefore_mib };
  }
}

export interface Measured {
  readonly used_ms: number;
  readonly beside_ms: number;
  readonly grown_mib: number;
}

/** CPU time of the threads other than the main one. */
export const beside_ms = ({ cpu_ms, all_cpu_ms = cpu_ms }: ProcessMeter): number => Math.max(0, all_cpu_ms - cpu_ms);
