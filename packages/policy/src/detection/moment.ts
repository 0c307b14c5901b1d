/**
 * Whether a run looks stuck at present: a reading that decays, while the score of stuck.ts accumulates. It combines three things: the
 * evidence of the latest acts; whether the latest answers begin alike (the same page, the same listing, the same apology), even if the
 * rest differs; and the usual level of this run, since some work looks alike throughout.
 */
import type { Act } from './acts.ts';

/** Decay and weight of answers that begin alike. */
const KEEP_PLACE = 0.75;
const PLACE = 4;
/** Messages, and messages that speak of trying again, count more here than in the score: they tell what is happening at present. */
const MESSAGE = 0.25;
const RETRYING = 1.2;
/** Decay of the run's usual level, and the share of it that is subtracted. */
const KEEP_LEVEL = 0.97;
const LEVEL = 0.5;

export class Moment {
  readonly #keep: number;
  #evidence = 0;
  #place = 0;
  #level = 0;
  #reading = 0;

  /** @param keep the share of evidence that is left after each further act */
  constructor(keep: number) {
    this.#keep = keep;
  }

  /** @param evidence weighted evidence of the act, less what is forgiven */
  take(act: Act, evidence: number): number {
    const more = act.message ? MESSAGE + (act.retrying ? RETRYING : 0) : 0;
    this.#evidence = Math.max(0, this.#evidence * this.#keep + evidence + more);
    if (act.begun !== undefined) this.#place = this.#place * KEEP_PLACE + (act.begun ? 1 - KEEP_PLACE : 0);
    const plain = this.#evidence + PLACE * this.#place;
    this.#reading = plain - LEVEL * this.#level;
    this.#level = this.#level * KEEP_LEVEL + plain * (1 - KEEP_LEVEL);
    return this.#reading;
  }

  /** Below 0: less stuck than is usual for the run. */
  get reading(): number {
    return this.#reading;
  }

  save(): unknown {
    return [this.#evidence, this.#place, this.#level, this.#reading];
  }

  load(saved: unknown): void {
    [this.#evidence, this.#place, this.#level, this.#reading] = saved as [number, number, number, number];
  }
}
