/**
 * Timers and the wall time of runs in memory, set again when a run comes back, after a restart or from being parked. The one that is due first
 * happens first.
 */
import { needsInput, type Pending } from '@corral/broker/ledger/pending';
import { dueOf, isTimed } from '@corral/broker/ledger/requests';
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Run } from './run.ts';

export interface ClockOptions {
  readonly clock: Clock;
  /** Returns the run in memory, brought back if it is parked. */
  readonly hold: (id: RunId) => Promise<Run | undefined>;
  /** A timer, or the time limit of a request or approval, is due. */
  readonly onDue: (run: Run, id: number) => void;
  /** Time for which the present crank of a run has been with its cell and waited there. Milliseconds. */
  readonly waiting_ms: (run: Run) => number;
  /** The wall time of a run is over. */
  readonly onOver: (run: Run) => void;
}

/** Time between two checks of a wall clock that has no time left and is stopped, in milliseconds. */
const STILL_MS = 250;

/** The same for a run whose crank waits behind another one. */
const BEHIND_MS = 10;

export class Clocks {
  readonly #options: ClockOptions;

  constructor(options: ClockOptions) {
    this.#options = options;
  }

  setTimer(run: Run, id: number, due: number): void {
    const { clock } = this.#options;
    // An approval already has a timer for its expiry, which this one replaces.
    run.alarms.callOff(id);
    run.alarms.set(
      id,
      clock.after(Math.max(0, due - clock.now()), () => this.#isDue(run, id, due)),
    );
  }

  /**
   * Sets all timers and the wall clock of a run that was brought back. Timers that were due while it was parked fire before its wall time
   * ends.
   */
  set(run: Run): void {
    for (const pending of run.ledger.pending.values()) this.#setFor(run, pending);
    this.#dueBy(run, this.#options.clock.now());
    if (run.began !== undefined) this.startWall(run);
  }

  /** Sets the timers of questions that tools have asked: their time begins again once a run that was held after a backup is released. */
  setInputs(run: Run): void {
    for (const pending of run.ledger.pending.values()) if (needsInput(pending)) this.#setFor(run, pending);
  }

  #setFor(run: Run, pending: Pending): void {
    const due = dueOf(pending);
    if (due !== undefined) this.setTimer(run, pending.id, due);
  }

  /** Checks at intervals whether the wall time of a run is over. */
  startWall(run: Run, least_ms = 0): void {
    const { clock } = this.#options;
    run.alarms.callOff('wall');
    run.alarms.set(
      'wall',
      clock.after(Math.max(least_ms, run.wallLeft_ms(clock.monotonic())), () => this.#expire(run)),
    );
  }

  /** Called when the turn of a service's instance is over: the next turn has the whole wall time. */
  resetWall(run: Run): void {
    run.alarms.callOff('wall');
    run.ledger.wall.stop();
    run.rest();
  }

  #expire(run: Run): void {
    const { clock, hold, onOver, waiting_ms } = this.#options;
    run.alarms.rang('wall');
    if (run.outcome !== undefined) return;
    if (run.parking !== undefined) {
      // If it is parked, its wall time is checked when it is brought back.
      hold(run.id).then(
        (held) => held === run && this.#expire(run),
        () => undefined,
      );
      return;
    }
    const { wall, held } = run.ledger;
    // The time that its crank waited behind another one is taken off its wall time once the crank is over.
    const waited_ms = waiting_ms(run);
    const left_ms = run.wallLeft_ms(clock.monotonic()) + waited_ms;
    // A timer may have been due before, if the host was delayed or its clock was put forward.
    const first = left_ms <= 0 && wall.runs && this.#dueBy(run, clock.now() + left_ms);
    if (left_ms > 0 || first || run.control !== 'none' || held !== undefined)
      this.startWall(run, !wall.runs || first ? STILL_MS : waited_ms > 0 ? Math.max(left_ms, BEHIND_MS) : 0);
    else onOver(run);
  }

  /** Triggers everything that was due by a time. @returns whether there was anything */
  #dueBy(run: Run, at: number): boolean {
    let found = false;
    for (const pending of run.ledger.pending.values()) {
      const due = dueOf(pending);
      if (due === undefined || due > at) continue;
      found = true;
      // Without a timer here, its commit is not durable yet.
      if (!run.alarms.has(pending.id)) continue;
      run.alarms.callOff(pending.id);
      this.#isDue(run, pending.id, due);
    }
    return found;
  }

  #isDue(run: Run, id: number, due: number): void {
    const { clock, hold, onDue } = this.#options;
    if (run.behind.deciding) return run.behind.do(() => run.outcome === undefined && this.#isDue(run, id, due));
    run.alarms.rang(id);
    // A request or approval may have been answered or given up in a crank that is not durable yet.
    if (!isTimed(run.ledger.pending.get(id))) return;
    if (run.parking !== undefined) {
      // Nothing may be recorded about it now. If it is parked, it is brought back with what is due.
      hold(run.id).then(
        (held) => held === run && run.outcome === undefined && this.#isDue(run, id, due),
        () => undefined,
      );
      return;
    }
    // Since the due time the run has waited for the host, however late this call is; that does not count as wall time.
    if (run.onCpu === undefined && !run.hasWork) run.ledger.wall.waited(clock.monotonic() - Math.max(0, clock.now() - due));
    onDue(run, id);
  }
}
