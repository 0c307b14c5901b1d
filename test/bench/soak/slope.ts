/** Slopes by least squares, for values that must not grow. */

export interface Point {
  readonly at_ms: number;
  readonly value: number;
}

const HOUR_MS = 3_600_000;
/** With fewer points a series is ignored. */
const LEAST = 3;

/**
 * Growth per hour of several series that have a common slope and a level each: the growth within lives of a host, regardless of their
 * first values. Undefined if there is too little data.
 */
export function slopePerHour(series: readonly (readonly Point[])[]): number | undefined {
  let [up, across] = [0, 0];
  for (const points of series) {
    if (points.length < LEAST) continue;
    const mean = (of: (point: Point) => number) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
    const [at, level] = [mean((point) => point.at_ms), mean((point) => point.value)];
    for (const { at_ms, value } of points) {
      up += (at_ms - at) * (value - level);
      across += (at_ms - at) ** 2;
    }
  }
  return across === 0 ? undefined : (up / across) * HOUR_MS;
}
