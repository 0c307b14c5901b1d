/**
 * Whether a run looks stuck right now: a reading that fades, beside the score of stuck.ts that adds up. Three things make it: the
 * evidence of the latest acts; whether the latest answers begin as others did just before (the same page, the same listing, the same
 * apology), however different the rest of them is; and what is usual for this run, since some work looks alike all along.
 */
import type { Act } from './acts.ts';

/** Of the evidence of acts, what is left an act later. */
const KEEP = 0.5;
/** Of having been at the same place, and what it weighs. */
const KEEP_PLACE = 0.75;
const PLACE = 3;
/** The run's own level moves slowly, and this much of it is taken off. */
const KEEP_LEVEL = 0.97;
const LEVEL = 0.5;

export class Moment {
  #evidence = 0;
  #place = 0;
  #level = 0;
  #reading = 0;

  /** @param evidence what the act's evidence weighs, less what is forgiven */
  take(act: Act, evidence: number): number {
    this.#evidence = Math.max(0, this.#evidence * KEEP + evidence);
    if (act.begun !== undefined) this.#place = this.#place * KEEP_PLACE + (act.begun ? 1 - KEEP_PLACE : 0);
    const plain = this.#evidence + PLACE * this.#place;
    this.#reading = plain - LEVEL * this.#level;
    this.#level = this.#level * KEEP_LEVEL + plain * (1 - KEEP_LEVEL);
    return this.#reading;
  }

  /** Below 0: less stuck than usual. */
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
