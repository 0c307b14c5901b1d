/**
 * Fits the weights of packages/policy/src/detection/weights.ts again and prints them, with their results on kinds of task that were held
 * out: `node test/evals/fit.ts --data DIR`.
 */
import type { Act } from '@corral/policy/detection/acts';
import { evidenceOf } from '@corral/policy/detection/stuck';
import { EVIDENCE, type Evidence, type StuckWeights } from '@corral/policy/detection/weights';
import { rows, type Row } from './data.ts';
import { acts, highest, readings } from './replay.ts';
import { auroc, recallAt, rounded } from './stats.ts';

/** The prior of the weights: round numbers by expectation, so that evidence that is absent from the data keeps a weight. */
const PRIOR: Readonly<Record<Evidence, number>> = {
  same: 2,
  same_twice: 0.8,
  again: 0.8,
  alike: 0.8,
  stale: 0.8,
  failed: 0.5,
  failed_on: 0.5,
  echo: 0.6,
  message_alike: 2,
  message_stale: 1.5,
  unanswered: 0.8,
  failing: 0.6,
  retrying: 0.8,
};
/** Strength of the prior, in pseudo-observations of each weight. */
const PULL = 3;
/** Acts of one run are not independent; each run counts as this many. */
const ACTS_A_RUN = 4;
/** The fitted forgiveness assumes independent acts. It is reduced, because a run in trouble has good acts too. */
const FORGIVENESS = 0.25;
/** Set by hand, since the capped runs have no messages. */
const FORGIVENESS_MESSAGE = 0.75;
const KEEP = 0.5;

export interface Fitted {
  readonly row: Row;
  readonly acts: readonly (Act & { readonly call: number })[];
}
export const judged = (list: readonly Row[]): Fitted[] => list.map((row) => ({ row, acts: acts(row) }));

export const isCapped = (row: Row) => row.n_steps !== undefined && row.n_steps >= 16 && row.utility === false;
export const isSolved = (row: Row) => row.n_steps !== undefined && row.n_steps < 16 && row.utility === true;

/** The group of a row for holding out: a suite of one benchmark. */
export const kindOf = (row: Row) => `${row.source.toLowerCase().includes('dyn') ? 'dyn' : 'dojo'} ${row.suite ?? ''}`;

interface Sample {
  readonly x: Float64Array;
  readonly y: 0 | 1;
  weight: number;
}

/** Weighted logistic regression with non-negative weights and the prior, by projected gradient descent. */
function regress(samples: readonly Sample[]): { weights: Float64Array; intercept: number } {
  const size = EVIDENCE.length;
  const prior = Float64Array.from(EVIDENCE, (name) => PRIOR[name]);
  const weights = Float64Array.from(prior);
  const gradient = new Float64Array(size);
  let intercept = -1;
  const total = samples.reduce((sum, one) => sum + one.weight, 0);
  const rate = 1 / (total * 0.6 + PULL);
  for (let round = 0; round < 600; round++) {
    for (let i = 0; i < size; i++) gradient[i] = PULL * ((weights[i] as number) - (prior[i] as number));
    let bias = 0;
    for (const { x, y, weight } of samples) {
      let z = intercept;
      for (let i = 0; i < size; i++) z += (x[i] as number) * (weights[i] as number);
      const error = weight * (1 / (1 + Math.exp(-z)) - y);
      bias += error;
      for (let i = 0; i < size; i++) gradient[i] = (gradient[i] as number) + error * (x[i] as number);
    }
    intercept -= rate * bias;
    for (let i = 0; i < size; i++) weights[i] = Math.max(0, (weights[i] as number) - rate * (gradient[i] as number));
  }
  return { weights, intercept };
}

/** Fits weights on capped and solved runs. All runs of a kind of task have the same total weight, and so have the kinds on each side. */
function fit(capped: readonly Fitted[], solved: readonly Fitted[]): StuckWeights {
  const samples: Sample[] = [];
  for (const [group, y] of [
    [capped, 1],
    [solved, 0],
  ] as const) {
    const kinds = new Map<string, number>();
    for (const { row } of group) kinds.set(source(row), (kinds.get(source(row)) ?? 0) + 1);
    let sum = 0;
    const own: Sample[] = [];
    for (const one of group)
      for (const act of one.acts) {
        const x = new Float64Array(EVIDENCE.length);
        evidenceOf(act, x);
        const weight = 1 / one.acts.length / (kinds.get(source(one.row)) as number);
        sum += weight;
        own.push({ x, y, weight });
      }
    // Both sides get the same total weight, so that the result is a likelihood ratio without a prior.
    for (const one of own) one.weight *= (capped.length * ACTS_A_RUN) / sum;
    samples.push(...own);
  }
  const { weights, intercept } = regress(samples);
  return {
    evidence: Object.fromEntries(EVIDENCE.map((name, i) => [name, rounded(weights[i] as number, 2)])) as Record<Evidence, number>,
    // The number of acts must never be evidence, so an act without evidence always subtracts something.
    forgiven: rounded(Math.max(0.1, -intercept * FORGIVENESS), 2),
    forgiven_message: FORGIVENESS_MESSAGE,
    keep: KEEP,
  };
}

const source = (row: Row) => kindOf(row).split(' ')[0] as string;

export interface HeldOut {
  readonly out: string;
  readonly capped: number;
  readonly solved: number;
  readonly recall_at: Readonly<Record<string, number>>;
  readonly auroc: number;
}

/** For each group: the results on it with weights that were fitted without it. */
export function heldOut(capped: readonly Fitted[], solved: readonly Fitted[], by: (row: Row) => string): HeldOut[] {
  const groups = [...new Set(capped.map(({ row }) => by(row)))].sort();
  return groups.map((out) => {
    const weights = fit(
      capped.filter(({ row }) => by(row) !== out),
      solved.filter(({ row }) => by(row) !== out),
    );
    const score = (list: readonly Fitted[]) => list.filter(({ row }) => by(row) === out).map((one) => highest(one.acts, weights));
    const [positives, negatives] = [score(capped), score(solved)];
    return {
      out,
      capped: positives.length,
      solved: negatives.length,
      recall_at: Object.fromEntries(
        ['0.001', '0.005', '0.01'].map((fpr) => [fpr, rounded(recallAt(positives, negatives, Number(fpr)).recall)]),
      ),
      auroc: rounded(auroc(positives, negatives)),
    };
  });
}

/** Readings at the judged rounds of the ledgers, in a loop and not. */
function rounds(ledgers: readonly Fitted[], weights: StuckWeights): { in: number[]; out: number[] } {
  const by: { in: number[]; out: number[] } = { in: [], out: [] };
  for (const { row, acts: list } of ledgers) {
    const now = readings(list, row.calls.length, weights);
    for (const round of row.ledger ?? []) (round.in_loop ? by.in : by.out).push(round.after_call < 0 ? 0 : (now[round.after_call] ?? 0));
  }
  return by;
}

if (import.meta.main) {
  const data = process.argv[process.argv.indexOf('--data') + 1];
  if (data === undefined || !process.argv.includes('--data')) {
    console.error('Say where the recorded runs are: --data DIR');
    process.exit(2);
  }
  const all = judged(rows(data, /^agentd/));
  const capped = all.filter(({ row }) => isCapped(row));
  const solved = all.filter(({ row }) => isSolved(row));
  const weights = fit(capped, solved);
  console.log(JSON.stringify(weights, null, 2));
  const ledgers = judged(rows(data, /^loops-magentic/));
  const { in: inside, out } = rounds(ledgers, weights);
  console.log(`ledger rounds, AUROC: ${rounded(auroc(inside, out))}`);
  console.log('held out:');
  for (const one of [
    ...heldOut(capped, solved, source),
    ...heldOut(capped, solved, kindOf),
    ...heldOut(capped, solved, (row) => row.model),
  ])
    console.log(JSON.stringify(one));
}
