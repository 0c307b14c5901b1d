/** Detects a call that fails repeatedly with the same error. */
import { detector, sure } from '../detector.ts';

/** Lower than for other repeats: a call that fails has no effect that could justify it. */
const HALF = 1.5;

export const repeatError = detector({
  name: 'repeat_error',
  sees: 'the same call with the same error; what does not count is as for `repeat`',
  spares: 'another error; retries by the broker; asking again after ever longer waits',
  ladder: { notice: 0.5, slow: 0.66, pause: 0.8 },
  on: 'act',
  initial: () => undefined,
  observe(state, act, run) {
    if (act.same === 0 || act.waited || !act.failed) return state;
    const times = act.same + 1;
    run.say(sure(act.same, HALF), act.subject, {
      text: `${act.subject} failed ${times} times with ${act.code} and the same arguments.`,
      events: [act.firstSame, act.lastSame, act.position, run.position],
      subjects: [act.subject],
      figures: { times, failures: act.failures },
    });
    return state;
  },
});
