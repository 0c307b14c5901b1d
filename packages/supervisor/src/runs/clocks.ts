/** What comes to a run in memory by the clock: its timers, and the end of its wall time. What was due first goes first. */
import { dueOf, isTimed } from '@corral/broker/ledger/requests';
import type { RunId } from '@corral/protocol/ids';
import type { Clock } from '@corral/protocol/ports/machine';
import type { Run } from './run.ts';

export interface ClockOptions {
  readonly clock: Clock;
  /** The run in memory, brought back if need be. */
  readonly hold: (id: RunId) => Promise<Run | undefined>;
  /** Something that it waits for is due. */
  readonly onDue: (run: Run, id: number) => void;
  /** Its wall time is over. */
  readonly onOver: (run: Run) => void;
}

/** How often a clock that stands still is looked at, once no time is left by what was known of it. */
const STILL_MS = 250;

export class Clocks {
  readonly #options: ClockOptions;

  constructor(options: ClockOptions) {
    this.#options = options;
  }

  setTimer(run: Run, id: number, due: number): void {
    const { clock } = this.#options;
    // An approval has one for its expiry already, which this one replaces.
    run.alarms.callOff(id);
    run.alarms.set(
      id,
      clock.after(Math.max(0, due - clock.now()), () => this.#isDue(run, id, due)),
    );
  }

  /** Sets all timers of a run that is brought back, and its wall clock. What was due while it was away comes before that is over. */
  set(run: Run): void {
    for (const pending of run.ledger.pending.values()) {
      const due = dueOf(pending);
      if (due !== undefined) this.setTimer(run, pending.id, due);
    }
    this.#dueBy(run, this.#options.clock.now());
    if (run.began !== undefined) this.startWall(run);
  }

  /** Looks again and again whether the wall time of a run is over. While its clock stands still it is not. */
  startWall(run: Run, least_ms = 0): void {
    const { clock } = this.#options;
    run.alarms.callOff('wall');
    run.alarms.set(
      'wall',
      clock.after(Math.max(least_ms, run.wallLeft_ms(clock.monotonic())), () => this.#expire(run)),
    );
  }

  /** A turn of an instance is over: the next one has all of the time again. */
  resetWall(run: Run): void {
    run.alarms.callOff('wall');
    run.ledger.wall.stop();
    run.rest();
  }

  #expire(run: Run): void {
    const { clock, hold, onOver } = this.#options;
    run.alarms.rang('wall');
    if (run.outcome !== undefined) return;
    if (run.parking !== undefined) {
      // Once it is parked it is another's to end, and its time is looked at when it is brought back.
      hold(run.id).then(
        (held) => held === run && this.#expire(run),
        () => undefined,
      );
      return;
    }
    const { wall, held } = run.ledger;
    const left_ms = run.wallLeft_ms(clock.monotonic());
    // A timer may have been due before: the host was held up, or somebody put its clock forward.
    const first = left_ms <= 0 && wall.runs && this.#dueBy(run, clock.now() + left_ms);
    if (left_ms > 0 || first || run.control !== 'none' || held !== undefined) this.startWall(run, wall.runs && !first ? 0 : STILL_MS);
    else onOver(run);
  }

  /** What is due by a time goes before whatever else happens at that time. Says whether something was. */
  #dueBy(run: Run, at: number): boolean {
    let found = false;
    for (const pending of run.ledger.pending.values()) {
      const due = dueOf(pending);
      if (due === undefined || due > at) continue;
      found = true;
      // One that is not set yet waits for its commit.
      if (!run.alarms.has(pending.id)) continue;
      run.alarms.callOff(pending.id);
      this.#isDue(run, pending.id, due);
    }
    return found;
  }

  #isDue(run: Run, id: number, due: number): void {
    const { clock, hold, onDue } = this.#options;
    run.alarms.rang(id);
    // What people or other runs were asked may have been answered, or given up, in a crank that is not durable yet.
    if (!isTimed(run.ledger.pending.get(id))) return;
    if (run.parking !== undefined) {
      // Nothing may be written about it now; once it is parked, it is brought back with what is due.
      hold(run.id).then(
        (held) => held === run && run.outcome === undefined && this.#isDue(run, id, due),
        () => undefined,
      );
      return;
    }
    // However late this host comes to it: since it was due, the run has waited for the host.
    if (run.onCpu === undefined && !run.hasWork) run.ledger.wall.waited(clock.monotonic() - Math.max(0, clock.now() - due));
    onDue(run, id);
  }
}
