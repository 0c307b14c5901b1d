/** Curves, and figures derived from them. */

/** Probability that a positive has a higher score than a negative, where a tie counts half. NaN if either list is empty. */
export function auroc(positives: readonly number[], negatives: readonly number[]): number {
  const all = [...positives.map((score) => ({ score, positive: true })), ...negatives.map((score) => ({ score, positive: false }))].sort(
    (a, b) => a.score - b.score,
  );
  let ranks = 0;
  for (let from = 0; from < all.length;) {
    let to = from;
    while (to < all.length && all[to]?.score === all[from]?.score) to++;
    for (let i = from; i < to; i++) if (all[i]?.positive === true) ranks += (from + to + 1) / 2;
    from = to;
  }
  return (ranks - (positives.length * (positives.length + 1)) / 2) / (positives.length * negatives.length);
}

export interface At {
  /** A score above it is an alarm. */
  readonly threshold: number;
  readonly recall: number;
  readonly fpr: number;
}

/** The best recall at a rate of false positives of at most `fpr`. */
export function recallAt(positives: readonly number[], negatives: readonly number[], fpr: number): At {
  const sorted = [...negatives].sort((a, b) => b - a);
  const allowed = Math.floor(fpr * sorted.length + 1e-9);
  // A score of 0 is never an alarm.
  const threshold = Math.max(0, sorted[allowed] ?? 0);
  return {
    threshold,
    recall: share(positives, (score) => score > threshold),
    fpr: share(negatives, (score) => score > threshold),
  };
}

export function share<T>(values: readonly T[], holds: (value: T) => boolean): number {
  return values.length === 0 ? 0 : values.filter(holds).length / values.length;
}

/** Points of the curve (false positives, recall), from no alarms to all. */
export function curve(positives: readonly number[], negatives: readonly number[]): [number, number][] {
  const thresholds = [...new Set([...positives, ...negatives])].sort((a, b) => b - a);
  return [
    [0, 0],
    ...thresholds.map((at): [number, number] => [share(negatives, (score) => score >= at), share(positives, (score) => score >= at)]),
  ];
}

export const rounded = (value: number, digits = 3): number => (Number.isFinite(value) ? Number(value.toFixed(digits)) : 0);
