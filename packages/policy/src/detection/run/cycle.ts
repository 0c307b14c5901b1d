/** Detects a sequence of several steps that repeats. */
import { detector, sure } from '../detector.ts';

const HALF = 4;

export const cycle = detector({
  name: 'cycle',
  sees: 'a period from 2 to 64 in calls and messages: a pointer follows the stream at a distance, as in Lempel-Ziv matching, and tolerates single different steps',
  spares: 'steps whose results differ from turn to turn',
  ladder: { notice: 0.5, slow: 0.66, pause: 0.8 },
  on: 'act',
  initial: () => undefined,
  observe(state, act, run) {
    if (!act.foretold || act.waited) return state;
    const found = run.cycle.period;
    if (found === undefined) return state;
    const { period, matched } = found;
    if (period < 2 || matched < Math.max(3, period)) return state;
    run.say(sure(matched, HALF), act.subject, {
      text: `The same ${period} steps over and over: ${matched} steps in a row were the same as one turn before.`,
      events: [run.position - matched, run.position],
      subjects: [act.subject],
      figures: { period, matched },
    });
    return state;
  },
});
