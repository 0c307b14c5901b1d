/**
 * One score for "this run is stuck" from all evidence, as a cumulative sum test (Page 1954). Each act adds the weights of its evidence;
 * an act without evidence subtracts what is forgiven. Below zero the count starts again at zero, so a long healthy past neither helps nor
 * harms. The trouble began where the count last started.
 */
import type { Act } from './acts.ts';
import { Moment } from './moment.ts';
import { EVIDENCE, STUCK_WEIGHTS, type Evidence, type StuckWeights } from './weights.ts';

export interface Stuck {
  /** The accumulated score that the run as a whole is stuck. At least 0, without an upper bound. */
  readonly score: number;
  /** The momentary reading: whether the run looks stuck at present (moment.ts). */
  readonly now: number;
  /** Position at which the score last left 0; -1: it is 0. */
  readonly since: number;
  /** Number of acts since then. */
  readonly acts: number;
  /** The part of each kind of evidence in the score since then. */
  readonly by: Readonly<Record<Evidence, number>>;
}

const SIZE = EVIDENCE.length;
const index = Object.fromEntries(EVIDENCE.map((name, i) => [name, i])) as Readonly<Record<Evidence, number>>;

/** Writes the evidence of one act, each from 0 to 1, into `into`. Turned pages and patient waiting do not count as evidence. */
export function evidenceOf(act: Act, into: Float64Array): void {
  into.fill(0);
  const stale = Number.isNaN(act.novelty) ? 0 : Math.max(0, 1 - act.novelty);
  if (act.message) {
    into[index.message_alike] = act.alike;
    into[index.message_stale] = stale;
    into[index.unanswered] = act.unanswered ? 1 : 0;
    into[index.failing] = act.failing ? 1 : 0;
    into[index.retrying] = act.retrying ? 1 : 0;
    return;
  }
  if (act.waited) return;
  if (act.same > 0) {
    // Repeats of one call are not independent: the tenth says less than the second.
    const weighs = Math.min(1, 2 / act.same);
    into[index.same] = weighs;
    into[index.same_twice] = act.same >= 2 ? weighs : 0;
  } else {
    // A source that has something new each time it is asked may be useful to ask again.
    into[index.again] = act.again > 0 ? 1 - (1 - stale) * (act.telling ? 1 : 0.5) : 0;
    if (!act.turnedPage) {
      // Effects are answered by acknowledgements, which look alike, and so do other short answers; the act may be new nevertheless.
      if (!act.effect) into[index.stale] = stale * (act.telling ? 1 : 1 - act.askedNovelty);
      if (!act.effect && act.echoed > 0 && (act.telling || act.failing)) into[index.echo] = 1;
      if (act.again === 0) into[index.alike] = act.alike * (1 - act.askedNovelty);
    }
  }
  into[index.failed] = act.failed ? 1 : 0;
  into[index.failed_on] = act.failures >= 2 ? 1 : 0;
  into[index.failing] = act.failing && !act.failed ? 1 : 0;
}

/** A new effect is forgiven this many times as much as another act without evidence. */
const EFFECT_FORGIVEN = 4;
const scratch = new Float64Array(SIZE);

export class StuckScore {
  readonly #weights: Float64Array;
  readonly #forgiven: number;
  readonly #forgivenMessage: number;
  readonly #moment: Moment;
  readonly #by = new Float64Array(SIZE);
  #score = 0;
  #since = -1;
  #acts = 0;

  constructor(weights: StuckWeights = STUCK_WEIGHTS) {
    this.#weights = Float64Array.from(EVIDENCE, (name) => weights.evidence[name]);
    this.#forgiven = weights.forgiven;
    this.#forgivenMessage = weights.forgiven_message;
    this.#moment = new Moment(weights.keep);
  }

  take(act: Act): number {
    evidenceOf(act, scratch);
    const begins = this.#score === 0;
    if (begins) {
      this.#since = act.position;
      this.#acts = 0;
    }
    let sum = act.message ? -this.#forgivenMessage : -this.#forgiven;
    // The act changed something that was not changed before, which the broker takes for progress.
    if (act.effect && !act.failed && act.again === 0) sum *= EFFECT_FORGIVEN;
    for (let i = 0; i < SIZE; i++) {
      const part = (scratch[i] as number) * (this.#weights[i] as number);
      sum += part;
      this.#by[i] = begins ? part : (this.#by[i] as number) + part;
    }
    this.#score = Math.max(0, this.#score + sum);
    this.#moment.take(act, sum);
    this.#acts++;
    return this.#score;
  }

  get score(): number {
    return this.#score;
  }

  get state(): Stuck {
    return {
      score: this.#score,
      now: this.#moment.reading,
      since: this.#score === 0 ? -1 : this.#since,
      acts: this.#acts,
      by: Object.fromEntries(EVIDENCE.map((name, i) => [name, this.#by[i] as number])) as Record<Evidence, number>,
    };
  }

  save(): unknown {
    return [this.#score, this.#moment.save(), this.#since, this.#acts, ...this.#by];
  }

  load(saved: unknown): void {
    const [score, moment, since, acts, ...by] = saved as [number, unknown, number, number, ...number[]];
    this.#score = score;
    this.#moment.load(moment);
    this.#since = since;
    this.#acts = acts;
    this.#by.set(by.slice(0, SIZE));
  }
}
