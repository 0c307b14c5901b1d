/**
 * How long a run goes on after somebody asked it to stop: its grace is counted once, over all hosts that the run lives under, and
 * not from the start of each of them. A time without a host does not count.
 */
import type { RunId } from '@corral/protocol/ids';

/** From the end of a grace until its run has been ended, which a host that has just started does once it has read it. */
const SLACK_MS = 500;

export class Graces {
  /** How often a host says that it lives: what comes after the last such sign counts as a time without it. */
  beat_ms = 1_000;
  /** The disk has no space at times: then an end that was refused is written later, and the run does nothing until then. */
  endsLate = false;
  #stops = 0;
  /** Milliseconds in which a host was at work, up to the last change, and since when one is now. */
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

  /** The request is durable. */
  asked(run: RunId, grace_ms: number, now: number): void {
    this.#asked.set(run, { up_ms: this.#up(now), grace_ms, stops: this.#stops });
  }

  /** Milliseconds by which a run that cranks now has outlived its grace; undefined where it has not. */
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
