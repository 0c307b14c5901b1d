/** Detects an amount that will reach its limit soon. */
import { measured, type Forecast, type Line } from '../burn.ts';
import { detector, sure } from '../detector.ts';
import type { FindingOf } from '../events.ts';

/** Forecasts beyond this time are too uncertain to report. Seconds. */
const HORIZON_S = 300;
const LEAST_SURE = 0.3;

export const runaway = detector({
  name: 'runaway',
  sees: 'an amount that will reach its limit, from a straight line through its recent past: "exceeds its memory in 40 s", and how much faster than the run’s own past',
  spares: 'a trend shorter than the time it would foretell',
  ladder: { notice: 0.5, slow: 0.7, pause: 0.85 },
  on: 'meter',
  initial: (): Line[] => [],
  observe(lines, { at, used, limits }, run) {
    for (const name in used) {
      const limit = limits[name];
      if (limit === undefined || !(limit > 0)) continue;
      const forecast = measured(lines, name, at, used[name] as number, limit);
      const finding = forecast && foreseen(forecast);
      if (finding !== undefined) run.say(finding.confidence, name, { ...finding.evidence, events: [run.position] });
    }
    return lines;
  },
});

/** Turns a forecast into a finding; undefined if the confidence is too low. */
export function foreseen(forecast: Forecast): FindingOf<'runaway'> | undefined {
  const confidence = alarm(forecast);
  if (confidence < LEAST_SURE) return undefined;
  const { name, used, limit, rate, usual } = forecast;
  const seconds = Math.round(forecast.seconds_left);
  const faster = usual > 0 && rate > usual * 1.5 ? `, ${round(rate / usual)} times its own usual` : '';
  return {
    detector: 'runaway',
    confidence,
    evidence: {
      text: `Exceeds its ${name} in ${seconds} s: ${round(used)} of ${round(limit)} used, ${round(rate)} a second${faster}.`,
      events: [],
      subjects: [name],
      figures: { seconds_left: seconds, used, limit, rate, usual },
    },
  };
}

/**
 * Confidence that the limit will be reached soon. It grows with the part that is used, the rate against the usual one and the fit of the
 * line; it falls with the time left, most where that is longer than the time that the line covers.
 */
function alarm({ seconds_left, used, limit, rate, usual, fit, points, watched }: Forecast): number {
  if (!(seconds_left < HORIZON_S)) return 0;
  const near = 1 - seconds_left / HORIZON_S;
  const faster = usual > 0 ? Math.min(1, rate / usual / 4) : 0.25;
  return near * fit * Math.min(1, (used / limit) * 2 + faster) * sure(points - 2, 2) * Math.min(1, watched / seconds_left);
}

const round = (value: number) => Number(value.toPrecision(3));
