/** Slopes by least squares, for what must not grow. */

export interface Point {
  readonly at_ms: number;
  readonly value: number;
}

const HOUR_MS = 3_600_000;
/** Fewer points say nothing about a slope. */
const LEAST = 3;

/**
 * Growth an hour of several series that have one slope and a level each: what grows within the life of a host, whatever it began with.
 * Undefined where there is too little to say so.
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
