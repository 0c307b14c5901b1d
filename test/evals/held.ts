/**
 * How much the results on loops and drift depend on the data: the product's own thresholds on one suite or one model at a time,
 * thresholds taken from all others, profiles without the model or the task, and how well a label that one language model gave in 25
 * traces can distinguish two detectors.
 */
import type { Row } from './data.ts';
import { profileOf, score } from './drift.ts';
import { auroc, recallAt, rounded, share } from './stats.ts';

/** The product's threshold for "stuck": the score with confidence 0.5 (HALF in detection/run/stuck.ts). */
const FIXED = 14;
const RATE = 0.005;

export interface Fixed {
  readonly out: string;
  readonly capped: number;
  readonly solved: number;
  /** At the product's own threshold. */
  readonly recall: number | null;
  readonly fpr: number;
  /** At the threshold with 0.5 % false positives on all other groups. */
  readonly others: { readonly threshold: number; readonly recall: number | null; readonly fpr: number };
}

/** For each group: recall and false positives at thresholds that were fixed without it. */
export function fixed(capped: readonly Row[], solved: readonly Row[], most: (row: Row) => number, by: (row: Row) => string): Fixed[] {
  return [...new Set([...capped, ...solved].map(by))].sort().map((out) => {
    const of = (list: readonly Row[], inside: boolean) => list.filter((row) => (by(row) === out) === inside).map(most);
    const [positives, negatives] = [of(capped, true), of(solved, true)];
    const { threshold } = recallAt(of(capped, false), of(solved, false), RATE);
    const at = (limit: number) => ({
      recall: positives.length === 0 ? null : rounded(share(positives, (one) => one > limit)),
      fpr: rounded(
        share(negatives, (one) => one > limit),
        4,
      ),
    });
    return {
      out,
      capped: positives.length,
      solved: negatives.length,
      ...at(FIXED),
      others: { threshold: rounded(threshold, 1), ...at(threshold) },
    };
  });
}

/** AUROC of drift with profiles that were learned without the runs of the same group (the same model or task). */
export function driftWithout(hijacked: readonly Row[], benign: readonly Row[], by: (row: Row) => string) {
  const scores = { hijacked: [] as number[], benign: [] as number[] };
  for (const suite of new Set(hijacked.map((row) => row.suite))) {
    const good = benign.filter((row) => row.suite === suite);
    const bad = hijacked.filter((row) => row.suite === suite);
    for (const group of new Set([...good, ...bad].map(by))) {
      const profile = profileOf(good.filter((row) => by(row) !== group));
      for (const row of bad) if (by(row) === group) scores.hijacked.push(score(row, profile));
      for (const row of good) if (by(row) === group) scores.benign.push(score(row, profile));
    }
  }
  return rounded(auroc(scores.hijacked, scores.benign));
}

/** A judged round: the reading, the ledger's label, and the call before it. */
export interface Round {
  readonly value: number;
  readonly in_loop: boolean;
  readonly after_call: number;
}

const DRAWS = 1000;
const area = (rounds: readonly Round[]) =>
  auroc(
    rounds.filter((one) => one.in_loop).map(({ value }) => value),
    rounds.filter((one) => !one.in_loop).map(({ value }) => value),
  );

/** Bounds of the area under the curve: how few traces there are, and how well the label agrees with itself. */
export function bounds(traces: readonly (readonly Round[])[]) {
  let seed = 1;
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const drawn: number[] = [];
  for (let i = 0; i < DRAWS && traces.length > 0; i++) {
    const one = area(traces.flatMap(() => traces[Math.floor(random() * traces.length)] as readonly Round[]));
    if (Number.isFinite(one)) drawn.push(one);
  }
  drawn.sort((a, b) => a - b);
  const first = (rounds: readonly Round[]) => rounds.filter((one, i) => rounds[i - 1]?.after_call !== one.after_call);
  const twice = traces.flatMap((rounds) =>
    rounds.flatMap((one, i) => (rounds[i - 1]?.after_call === one.after_call ? [[rounds[i - 1] as Round, one]] : [])),
  );
  const within = traces.map(area).filter((one) => Number.isFinite(one));
  return {
    /** 95 % interval of the area, by drawing traces with replacement. */
    interval_95: [0.025, 0.975].map((at) => rounded(drawn[Math.floor(at * drawn.length)] ?? 0)),
    /** Rounds that were judged twice with nothing in between, and those of them with different labels. */
    judged_twice: twice.length,
    judged_both_ways: twice.filter(([a, b]) => a?.in_loop !== b?.in_loop).length,
    auroc_judged_once: rounded(area(traces.flatMap(first))),
    auroc_within_a_trace: rounded(within.reduce((sum, one) => sum + one, 0) / within.length),
    /** The label of the previous round, used as a detector. */
    auroc_of_last_label: rounded(
      area(traces.flatMap((rounds) => rounds.map((one, i) => ({ ...one, value: Number(rounds[i - 1]?.in_loop ?? false) })))),
    ),
  };
}
