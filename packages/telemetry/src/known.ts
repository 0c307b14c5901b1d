/**
 * Runs that telemetry has heard of: what spans and figures need of them besides their id. Those that are in memory are forgotten last, and among
 * the others the one that was heard of least recently is forgotten first: facts about a run that is not known are lost.
 */
import type { RunId } from '@corral/protocol/ids';

/** A run, and its present stretch in memory. */
export interface Known {
  readonly run: RunId;
  readonly root: RunId;
  readonly parent: RunId | undefined;
  readonly origin: RunId | undefined;
  /** The span of whoever submitted it. */
  readonly caller: { readonly trace: Uint8Array; readonly span: Uint8Array } | undefined;
  readonly tenant: string;
  readonly agent: string;
  readonly version: string;
  readonly created_at: number;
  readonly trace: Uint8Array;
  /** Whether all spans of its family are sent, and not only those that say that something went wrong. */
  readonly sampled: boolean;
  /** Its span was handed over. */
  sent: boolean;
  /** The span of its last stretch that was handed over. */
  last: Uint8Array | undefined;
  began: boolean;
  segment: Segment | undefined;
}

export interface Segment {
  readonly epoch: number;
  readonly from: number;
  readonly resumed: boolean;
  cranks: number;
  cpu_us: number;
  tools: number;
  models: number;
}

export class KnownRuns {
  /** Runs in memory, and others; each in the order in which they were heard of last. */
  readonly #here = new Map<RunId, Known>();
  readonly #gone = new Map<RunId, Known>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(run: RunId | undefined): Known | undefined {
    return run === undefined ? undefined : (this.#here.get(run) ?? this.#gone.get(run));
  }

  all(): readonly Known[] {
    return [...this.#gone.values(), ...this.#here.values()];
  }

  /** Remembers a run. It keeps what was known of it before, such as that its span was sent. */
  set(known: Known): Known {
    const before = this.get(known.run);
    if (before !== undefined) {
      known.sent = before.sent;
      known.last = before.last;
      known.began = before.began;
    }
    this.heard(known);
    if (this.#here.size + this.#gone.size > this.#most) this.#forget();
    return known;
  }

  /** A fact was about this run. */
  heard(known: Known): void {
    this.#here.delete(known.run);
    this.#gone.delete(known.run);
    (known.segment === undefined ? this.#gone : this.#here).set(known.run, known);
  }

  #forget(): void {
    const from = this.#gone.size > 0 ? this.#gone : this.#here;
    for (const run of from.keys()) {
      from.delete(run);
      return;
    }
  }
}
