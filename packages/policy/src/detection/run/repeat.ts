/** Detects the same call with the same result, and the same message. */
import { detector, sure } from '../detector.ts';

const HALF = 2;

export const repeat = detector({
  name: 'repeat',
  sees: 'the same call with the same result. Key order, white space, case, UUIDs, times finer than a second, request ids and the like do not count',
  spares: 'another answer; retries by the broker; asking again after ever longer waits; tools with the annotation `polled`; another page',
  ladder: { notice: 0.5, slow: 0.66, pause: 0.8 },
  on: 'act',
  initial: () => undefined,
  observe(state, act, run) {
    if (act.same === 0 || act.waited || act.failed) return state;
    const times = act.same + 1;
    run.say(sure(act.same, HALF), act.subject, {
      text: act.message
        ? `The same message (${act.subject}) ${times} times.`
        : `${act.subject} was called ${times} times with the same arguments and gave the same result.`,
      events: [act.firstSame, act.lastSame, act.position, run.position],
      subjects: [act.subject],
      figures: { times },
    });
    return state;
  },
});
