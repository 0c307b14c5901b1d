/** What a cell is doing for one of its runs: since when, and what it has used meanwhile. Only one thing at a time is on its CPU. */
import { FrameKind, REPLAY_FACTOR, type FrameHead } from '@corral/protocol/wire/frame';
import { MACHINE } from '@corral/protocol/limits';
import type { ProcessMeter } from '@corral/protocol/ports/machine';

export interface TaskOptions {
  readonly kind: 'crank' | 'replay' | 'describe';
  readonly assignment: number;
  readonly crank: number;
  /** CPU time after which it is ended from outside; the cell itself tries sooner. */
  readonly limit_ms: number;
}

/** What a cell with nothing in it holds, until it has been looked at. */
const FRESH_CELL_MIB = 60;

const ANSWERS = { crank: FrameKind.cranked, replay: FrameKind.replayed, describe: FrameKind.described } as const;
/** So many cranks of one replay may each take the whole slack. */
const SLACKS = 10;

/** CPU time that a page of a replay may use. @param cpu_us what its cranks took when they were recorded */
export const replayLimit_ms = (cranks: number, cpu_us: number): number =>
  (cpu_us / 1000) * REPLAY_FACTOR + Math.min(cranks, SLACKS) * MACHINE.replay_slack_ms.default;

export class Task implements TaskOptions {
  readonly kind: TaskOptions['kind'];
  readonly assignment: number;
  readonly crank: number;
  readonly limit_ms: number;
  #began: number;
  #frozen_ms = 0;
  #void = false;
  /** It began right behind another, so nobody has looked in between. */
  #followed = false;
  #cpuBefore_ms: number | undefined;
  #rssBefore_mib: number | undefined;
  #used_ms: number | undefined;

  constructor({ kind, assignment, crank, limit_ms }: TaskOptions, now: number) {
    this.kind = kind;
    this.assignment = assignment;
    this.crank = crank;
    this.limit_ms = limit_ms;
    this.#began = now;
  }

  /** When it got the cell's CPU. */
  get began(): number {
    return this.#began;
  }

  /** How long the process was stopped meanwhile. */
  get frozen_ms(): number {
    return this.#frozen_ms;
  }

  /** The run has been moved elsewhere before its turn came; what the cell answers counts for nothing. */
  get void(): boolean {
    return this.#void;
  }

  /** Time on the CPU before it began, once somebody has looked. */
  get cpuBefore_ms(): number | undefined {
    return this.#cpuBefore_ms;
  }

  /** CPU time it has used, as it was last seen. */
  get used_ms(): number | undefined {
    return this.#used_ms;
  }

  /** Whether this frame is what a sound cell answers to it; known by the header alone. */
  isAnsweredBy({ kind, assignment, crank }: FrameHead): boolean {
    return assignment === this.assignment && crank === this.crank && kind === ANSWERS[this.kind];
  }

  /** What the process had used before it began. */
  follows(idle: ProcessMeter | undefined): void {
    this.#cpuBefore_ms = idle?.cpu_ms;
  }

  /** The task before it is over, and it has the CPU. */
  begin(now: number): void {
    this.#began = now;
    this.#followed = true;
  }

  froze(for_ms: number): void {
    this.#frozen_ms += for_ms;
  }

  takeBack(): void {
    this.#void = true;
  }

  /**
   * Takes down what the process has used by now.
   * @param idle where the process stood when it last had nothing to do
   * @returns CPU time of this task, and by how much the process has grown
   */
  measure({ cpu_ms, rss_mib }: ProcessMeter, idle: ProcessMeter | undefined): { readonly used_ms: number; readonly grown_mib: number } {
    this.#cpuBefore_ms ??= cpu_ms;
    this.#rssBefore_mib ??= this.#followed ? rss_mib : (idle?.rss_mib ?? FRESH_CELL_MIB);
    this.#used_ms = cpu_ms - this.#cpuBefore_ms;
    return { used_ms: this.#used_ms, grown_mib: rss_mib - this.#rssBefore_mib };
  }
}
