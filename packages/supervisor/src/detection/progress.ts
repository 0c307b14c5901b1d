/**
 * Detects that this host is stalled: it has work and completes none of it. Such a host looks alive from outside, so it must notice this
 * itself, and report it in its readiness, to those who follow it, and in its log.
 */
import type { Clock } from '@corral/protocol/ports/machine';
import type { Cell } from '../cells/cell.ts';
import type { Observation, Stall } from '../events/observation.ts';
import type { Run } from '../runs/run.ts';

export interface ProgressOptions {
  readonly clock: Clock;
  /** Longest time without progress while there is work. Milliseconds. */
  readonly no_progress_ms: number;
  readonly runs: () => Iterable<Run>;
  readonly cells: () => Iterable<Cell>;
  /** Since when runs that are only in the store have waited for this host, on the monotonic clock; undefined if none waits. */
  readonly waitingSince: () => number | undefined;
  /** Whether the store has commits that are not durable yet; they count as work. */
  readonly committing: () => boolean;
  /** Whether one cell after the other dies before it is ready. */
  readonly failing: () => boolean;
  readonly tell: (observation: Observation) => void;
}

/** Time between two checks. Milliseconds. */
const LOOK_MS = 500;

export class Progress {
  readonly #options: ProgressOptions;
  readonly #stalls = new Map<Stall['reason'], number>();
  #lookedAt: number;
  /** Time without progress, in milliseconds; time in which this host itself was suspended does not count. */
  #still_ms = 0;
  /** CPU time of long cranks at the last check. A crank that computes is progress. */
  #used = new Map<Cell, number>();
  #closed = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#lookedAt = options.clock.monotonic();
  }

  /** Reasons why this host is stalled; empty if it is not. */
  get stalls(): readonly Stall[] {
    const { clock } = this.#options;
    return [...this.#stalls].map(([reason, since]) =>
      reason === 'no_progress' ? { reason, since, oldest_ms: this.#oldest_ms(clock.monotonic()) } : { reason, since },
    );
  }

  /** Called when a crank has ended, with any result. */
  moved(run?: Run): void {
    run?.moved();
    this.#still_ms = 0;
    if (this.#stalls.size > 0) this.#set('no_progress', false, 0);
  }

  /** Called when a cell has started. */
  started(): void {
    if (this.#stalls.size > 0) this.#set('cells_do_not_start', false, 0);
  }

  /** Called when this host stops, since it begins no more cranks then. */
  close(): void {
    this.#closed = true;
    this.#stalls.clear();
  }

  /** To be called periodically; checks at most every LOOK_MS. */
  look(): void {
    const { clock, no_progress_ms, cells, failing } = this.#options;
    const now = clock.monotonic();
    if (this.#closed || now - this.#lookedAt < LOOK_MS) return;
    // Time in which the whole host was suspended, as on a machine that sleeps, says nothing about its runs.
    const passed_ms = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    const computes = this.#computes();
    if (computes || !this.#hasWork()) this.moved();
    else this.#still_ms += passed_ms;
    if (this.#still_ms >= no_progress_ms) this.#set('no_progress', true, this.#still_ms);
    const startless = failing() && ![...cells()].some(({ ready, killed }) => ready && !killed);
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

  /** Whether a long crank has used CPU time since the last check. Replays do not count: they only lead to cranks. */
  #computes(): boolean {
    const before = this.#used;
    const after = new Map<Cell, number>();
    for (const cell of this.#options.cells())
      if (cell.stuck && cell.task?.kind === 'crank' && cell.task.used_ms !== undefined) after.set(cell, cell.task.used_ms);
    this.#used = after;
    return [...after].some(([cell, used_ms]) => used_ms !== (before.get(cell) ?? 0));
  }
}

/** Whether the run is on a CPU, or would go on if it were given one. */
const isWork = (run: Run): boolean =>
  run.runnable || (run.isAtWork && run.outcome === undefined && run.control === 'none' && run.ledger.held === undefined);
