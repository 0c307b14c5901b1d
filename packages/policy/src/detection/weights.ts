/**
 * Weights of evidence that a run is stuck. A weight is the log-likelihood ratio of such an act between runs that got stuck and runs that
 * went well; `forgiven` is what an act without evidence subtracts. Fitted by `node test/evals/fit.ts --data DIR`: logistic regression
 * over single acts, in which all runs, and all kinds of task, have the same total weight. Weights are at least zero and are regularised
 * towards the round numbers in that script, so that evidence absent from the data keeps a weight. The number of acts of a run is not
 * evidence.
 */
export const EVIDENCE = [
  /** The same call with the same answer, once before; twice before. */
  'same',
  'same_twice',
  /** The same call with another answer than before. */
  'again',
  /** A call similar to one of the latest of its tool, by share of words. */
  'alike',
  /** An answer with little new, by share of words; the answer to a repeated call does not count. */
  'stale',
  /** A failure; a failure after another. */
  'failed',
  'failed_on',
  /** Another call of the tool with the same answer. */
  'echo',
  /** A message similar to one of the latest, by share of words. */
  'message_alike',
  /** A message of words used before, by share. */
  'message_stale',
  /** A message to the peer of the previous one, with nothing received in between. */
  'unanswered',
  /** A short answer, or message, with words of failure. */
  'failing',
  /** A message with words of trying again. */
  'retrying',
] as const;
export type Evidence = (typeof EVIDENCE)[number];

export interface StuckWeights {
  readonly evidence: Readonly<Record<Evidence, number>>;
  readonly forgiven: number;
  /** `forgiven` for messages: more than for calls, since people and agents repeat words when all is well. */
  readonly forgiven_message: number;
  /** The share of the momentary reading that is left after each further act. */
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
