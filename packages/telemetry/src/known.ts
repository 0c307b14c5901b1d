/** Runs that telemetry has heard of: what spans and figures need of them besides their id. The least recently heard of are forgotten. */
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
  readonly #runs = new Map<RunId, Known>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(run: RunId | undefined): Known | undefined {
    return run === undefined ? undefined : this.#runs.get(run);
  }

  all(): readonly Known[] {
    return [...this.#runs.values()];
  }

  /** Remembers a run. It keeps what was known of it before, such as that its span was sent. */
  set(known: Known): Known {
    const before = this.#runs.get(known.run);
    if (before !== undefined) {
      known.sent = before.sent;
      known.began = before.began;
      this.#runs.delete(known.run);
    }
    this.#runs.set(known.run, known);
    if (this.#runs.size > this.#most) {
      const oldest = this.#runs.keys().next().value;
      if (oldest !== undefined) this.#runs.delete(oldest);
    }
    return known;
  }
}
