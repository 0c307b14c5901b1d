/**
 * What each kind of evidence says about whether a run is stuck. A weight is how much likelier such an act is in a run
 * that got stuck than in one that went well (a log-likelihood ratio); `forgiven` is what an act without any evidence
 * takes back. Fitted by `node test/evals/fit.ts --data DIR`: logistic regression over single acts, runs weighing the
 * same and kinds of task weighing the same, weights at least zero and drawn towards the round figures in that script,
 * so that what the data never shows does not vanish. The number of acts a run has made is no evidence.
 */
export const EVIDENCE = [
  /** The same call with the same answer, done before; done twice before. */
  'same',
  'same_twice',
  /** The same call, with another answer than before. */
  'again',
  /** A call like one of the latest of its tool, by share of words. */
  'alike',
  /** An answer in which little is new, by share of words; the answer to the same call not counted. */
  'stale',
  /** A failure; not the first in a row. */
  'failed',
  'failed_on',
  /** Another call of the tool, the same answer. */
  'echo',
  /** A message like one of the latest, by share of words. */
  'message_alike',
  /** A message of words used before, by share. */
  'message_stale',
  /** A message to the same peer, and nothing happened since the last. */
  'unanswered',
  /** A short answer or message that speaks of failure. */
  'failing',
  /** A message that speaks of trying again. */
  'retrying',
] as const;
export type Evidence = (typeof EVIDENCE)[number];

export interface StuckWeights {
  readonly evidence: Readonly<Record<Evidence, number>>;
  readonly forgiven: number;
  /** The same of a message: people and agents repeat words when all is well. */
  readonly forgiven_message: number;
  /** How much of the momentary reading is left an act later. */
  readonly keep: number;
}

export const STUCK_WEIGHTS: StuckWeights = {
  evidence: {
    same: 2.77,
    same_twice: 1.45,
    again: 1.11,
    alike: 0.77,
    stale: 0.89,
    failed: 0.12,
    failed_on: 0.38,
    echo: 0.61,
    message_alike: 2,
    message_stale: 1.5,
    unanswered: 0.8,
    failing: 0.78,
    retrying: 0.8,
  },
  forgiven: 0.16,
  forgiven_message: 0.75,
  keep: 0.5,
};
