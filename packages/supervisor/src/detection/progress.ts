/**
 * Whether anything moves. A host that has work and finishes none of it looks alive from outside, so it must notice by itself and say
 * so: to whoever asks whether it is ready, to those who follow it, and in its log.
 */
import type { Clock } from '@corral/protocol/ports/machine';
import type { Cell } from '../cells/cell.ts';
import type { Observation, Stall } from '../events/observation.ts';
import type { Run } from '../runs/run.ts';

export interface ProgressOptions {
  readonly clock: Clock;
  /** How long nothing may move while there is work. */
  readonly no_progress_ms: number;
  readonly runs: () => Iterable<Run>;
  readonly cells: () => Iterable<Cell>;
  /** Since when runs that only the store has wait for this host, by the monotonic clock. */
  readonly waitingSince: () => number | undefined;
  /** What is handed to the store and not durable yet: that is work too. */
  readonly committing: () => boolean;
  /** Cells die before they are ready, one after the other. */
  readonly failing: () => boolean;
  readonly tell: (observation: Observation) => void;
}

/** How often it looks. */
const LOOK_MS = 500;

export class Progress {
  readonly #options: ProgressOptions;
  readonly #stalls = new Map<Stall['reason'], number>();
  #lookedAt: number;
  /** For how long nothing has moved, as far as this host was there to see it. */
  #still_ms = 0;
  /** CPU time of long cranks, as it was last seen: what computes moves. */
  #used = new Map<Cell, number>();
  #closed = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#lookedAt = options.clock.monotonic();
  }

  /** What keeps this host from doing work. */
  get stalls(): readonly Stall[] {
    const { clock } = this.#options;
    return [...this.#stalls].map(([reason, since]) =>
      reason === 'no_progress' ? { reason, since, oldest_ms: this.#oldest_ms(clock.monotonic()) } : { reason, since },
    );
  }

  /** A crank is over, whatever came of it. */
  moved(run?: Run): void {
    run?.moved();
    this.#still_ms = 0;
    if (this.#stalls.size > 0) this.#set('no_progress', false, 0);
  }

  /** A cell has started. */
  started(): void {
    if (this.#stalls.size > 0) this.#set('cells_do_not_start', false, 0);
  }

  /** This host stops, and begins no crank any more. */
  close(): void {
    this.#closed = true;
    this.#stalls.clear();
  }

  /** To be called again and again. */
  look(): void {
    const { clock, no_progress_ms, cells, failing } = this.#options;
    const now = clock.monotonic();
    if (this.#closed || now - this.#lookedAt < LOOK_MS) return;
    // Time in which the whole host stood still, as on a machine that sleeps, says nothing about its runs.
    const passed_ms = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    const computes = this.#computes();
    if (computes || !this.#hasWork()) this.moved();
    else this.#still_ms += passed_ms;
    if (this.#still_ms >= no_progress_ms) this.#set('no_progress', true, this.#still_ms);
    const startless = failing() && ![...cells()].some(({ ready, doomed }) => ready && !doomed);
    this.#set('cells_do_not_start', startless, 0);
  }

  #set(reason: Stall['reason'], holds: boolean, since_ms: number): void {
    const { clock, tell } = this.#options;
    const since = this.#stalls.get(reason);
    if (holds === (since !== undefined)) return;
    if (holds) {
      this.#stalls.set(reason, clock.now() - since_ms);
      for (const stall of this.stalls) if (stall.reason === reason) tell({ kind: 'stalled', stall });
      return;
    }
    this.#stalls.delete(reason);
    tell({ kind: 'moves', reason, since: since as number });
  }

  #hasWork(): boolean {
    if (this.#options.committing() || this.#options.waitingSince() !== undefined) return true;
    for (const run of this.#options.runs()) if (isWork(run)) return true;
    return false;
  }

  #oldest_ms(now: number): number {
    let oldest = this.#options.waitingSince() ?? now;
    for (const run of this.#options.runs()) if (isWork(run)) oldest = Math.min(oldest, run.busySince ?? now);
    return Math.round(now - oldest);
  }

  /** Whether a crank that computes for long has come further since the last look. Replays do not count: they only lead to cranks. */
  #computes(): boolean {
    const before = this.#used;
    const after = new Map<Cell, number>();
    for (const cell of this.#options.cells())
      if (cell.stuck && cell.task?.kind === 'crank' && cell.task.used_ms !== undefined) after.set(cell, cell.task.used_ms);
    this.#used = after;
    return [...after].some(([cell, used_ms]) => used_ms !== (before.get(cell) ?? 0));
  }
}

/** It could go on if it were given a CPU, or is on one. */
const isWork = (run: Run): boolean =>
  run.runnable || (run.onCpu !== undefined && run.outcome === undefined && run.control === 'none' && run.ledger.held === undefined);
