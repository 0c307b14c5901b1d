/**
 * Checks how long a run goes on after a request to stop. Its grace period is counted once over all hosts under which the run lives, and
 * does not start again with each host. Times without a host do not count.
 */
import type { RunId } from '@corral/protocol/ids';

/** Time after the grace period in which the host must have ended the run; a host that has just started must read it first. */
const SLACK_MS = 500;

export class Graces {
  /** Interval at which a host records that it lives. The time after the last record counts as time without a host. */
  beat_ms = 1_000;
  /** The disk may be full: a refused end is then written later, and the run does nothing until then. */
  endsLate = false;
  #stops = 0;
  /** Milliseconds in which a host was working, up to the last change; and since when one is working now. */
  #up_ms = 0;
  #since: number | undefined;
  readonly #asked = new Map<RunId, { readonly up_ms: number; readonly grace_ms: number; readonly stops: number }>();

  hostStarts(now: number): void {
    this.#since = now;
  }

  hostStops(now: number): void {
    this.#up_ms = this.#up(now);
    this.#since = undefined;
    this.#stops += 1;
  }

  /** One of several hosts is lost, stands still or goes on: what it was asked to do takes longer, and nobody can say how long. */
  disturbed(): void {
    this.#asked.clear();
  }

  /** The request has become durable. */
  asked(run: RunId, grace_ms: number, now: number): void {
    this.#asked.set(run, { up_ms: this.#up(now), grace_ms, stops: this.#stops });
  }

  /** Milliseconds by which a run that cranks now has exceeded its grace period; undefined if it has not. */
  outlived(run: RunId, now: number): number | undefined {
    const asked = this.#asked.get(run);
    if (asked === undefined) return undefined;
    const over = this.#up(now) - asked.up_ms - asked.grace_ms;
    const slack_ms = SLACK_MS + (this.#stops - asked.stops) * (this.beat_ms + SLACK_MS / 2);
    return over > slack_ms ? Math.round(over) : undefined;
  }

  #up(now: number): number {
    return this.#up_ms + (this.#since === undefined ? 0 : now - this.#since);
  }
}
