/**
 * Whether a run looks stuck right now: a reading that fades, beside the score of stuck.ts that adds up. Three things make it: the
 * evidence of the latest acts; whether the latest answers begin as others did just before (the same page, the same listing, the same
 * apology), however different the rest of them is; and what is usual for this run, since some work looks alike all along.
 */
import type { Act } from './acts.ts';

/** Of having been at the same place, and what it weighs. */
const KEEP_PLACE = 0.75;
const PLACE = 4;
/** Messages are forgiven less here than in the score, and talk of trying again weighs more: it says what is going on, and seldom for long. */
const MESSAGE = 0.25;
const RETRYING = 1.2;
/** The run's own level moves slowly, and this much of it is taken off. */
const KEEP_LEVEL = 0.97;
const LEVEL = 0.5;

export class Moment {
  readonly #keep: number;
  #evidence = 0;
  #place = 0;
  #level = 0;
  #reading = 0;

  /** @param keep how much of the evidence is left an act later */
  constructor(keep: number) {
    this.#keep = keep;
  }

  /** @param evidence what the act's evidence weighs, less what is forgiven */
  take(act: Act, evidence: number): number {
    const more = act.message ? MESSAGE + (act.retrying ? RETRYING : 0) : 0;
    this.#evidence = Math.max(0, this.#evidence * this.#keep + evidence + more);
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
