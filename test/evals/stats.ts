/** Curves and the figures taken from them. */

/** Chance that a positive scores above a negative, ties counting half. NaN without either. */
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

/** The best recall with a rate of false positives of at most `fpr`. */
export function recallAt(positives: readonly number[], negatives: readonly number[], fpr: number): At {
  const sorted = [...negatives].sort((a, b) => b - a);
  const allowed = Math.floor(fpr * sorted.length + 1e-9);
  // Nothing is no alarm, whatever the rate.
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

/** Points of the curve, false positives first, from nothing found to everything. */
export function curve(positives: readonly number[], negatives: readonly number[]): [number, number][] {
  const thresholds = [...new Set([...positives, ...negatives])].sort((a, b) => b - a);
  return [
    [0, 0],
    ...thresholds.map((at): [number, number] => [share(negatives, (score) => score >= at), share(positives, (score) => score >= at)]),
  ];
}

export const rounded = (value: number, digits = 3): number => (Number.isFinite(value) ? Number(value.toFixed(digits)) : 0);
