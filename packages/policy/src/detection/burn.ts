/**
 * Predicts when an amount of a run will be used up: fits a straight line through its recent past (weighted least squares, where older
 * points count less). Works for amounts that only grow (calls, money, bytes) and for those that rise and fall (memory).
 */

export interface Forecast {
  readonly name: string;
  readonly used: number;
  readonly limit: number;
  /** Present rate per second. */
  readonly rate: number;
  /** Rate per second over the run's own past. */
  readonly usual: number;
  /** Seconds until the limit is reached at the present rate; Infinity if the amount does not rise. */
  readonly seconds_left: number;
  /** Goodness of fit of the line, from 0 to 1. */
  readonly fit: number;
  readonly points: number;
  /** Seconds that the line covers, weighted by age. */
  readonly watched: number;
}

/** Points older than this have less than half the weight of a new one. */
const HALF_LIFE_MS = 20_000;
const NAMES_MAX = 16;

/** The state of one amount. Plain JSON. */
export type Line = {
  name: string;
  points: number;
  first_at: number;
  first_used: number;
  at: number;
  used: number;
  limit: number;
  /** Weighted sums; time counts in seconds from the latest point. */
  w: number;
  t: number;
  u: number;
  tt: number;
  tu: number;
  uu: number;
};

/**
 * Adds a reading to the line of its amount, or begins one. Several readings at the same time count once. @returns undefined if there is
 * no forecast yet, or for names beyond NAMES_MAX, which are not tracked
 */
export function measured(lines: Line[], name: string, at: number, used: number, limit: number): Forecast | undefined {
  let line = lines.find((one) => one.name === name);
  if (line === undefined) {
    if (lines.length >= NAMES_MAX) return undefined;
    line = { name, points: 0, first_at: at, first_used: used, at, used, limit, w: 0, t: 0, u: 0, tt: 0, tu: 0, uu: 0 };
    lines.push(line);
  }
  line.limit = limit;
  const dt = (at - line.at) / 1000;
  if (line.points > 0 && dt <= 0) {
    line.used = used;
    return undefined;
  }
  // Moves the origin to the new point (t becomes t - dt, u becomes u - du), then lowers all weights.
  const du = used - line.used;
  const { w, t, u } = line;
  line.tt += dt * (dt * w - 2 * t);
  line.tu += dt * du * w - dt * u - du * t;
  line.uu += du * (du * w - 2 * u);
  line.t -= dt * w;
  line.u -= du * w;
  const keep = 2 ** ((-dt * 1000) / HALF_LIFE_MS);
  line.w = line.w * keep + 1;
  line.t *= keep;
  line.u *= keep;
  line.tt *= keep;
  line.tu *= keep;
  line.uu *= keep;
  line.at = at;
  line.used = used;
  line.points++;
  return forecast(line);
}

function forecast(line: Line): Forecast | undefined {
  if (line.points < 4) return undefined;
  const { w, t, u, tt, tu, uu } = line;
  const spread = w * tt - t * t;
  if (spread <= 0) return undefined;
  const rate = (w * tu - t * u) / spread;
  const total = uu - (u * u) / w;
  const explained = (rate * (w * tu - t * u)) / w;
  const usual = (line.used - line.first_used) / ((line.at - line.first_at) / 1000);
  return {
    name: line.name,
    used: line.used,
    limit: line.limit,
    rate,
    usual,
    seconds_left: rate > 0 ? Math.max(0, line.limit - line.used) / rate : Number.POSITIVE_INFINITY,
    fit: total <= 0 ? 1 : Math.max(0, Math.min(1, explained / total)),
    points: line.points,
    watched: Math.min(line.at - line.first_at, HALF_LIFE_MS * 3) / 1000,
  };
}
