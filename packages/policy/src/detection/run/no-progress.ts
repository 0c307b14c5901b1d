/** Detects results without anything new. */
import { detector, sure } from '../detector.ts';
import { follow, isStale, NO_STREAK, type Streak } from './streak.ts';

/** `LEAST`: steps in a row without news before a finding. `HALF`: further steps until confidence 0.5. */
const LEAST = 4;
const HALF = 4;

export const noProgress = detector({
  name: 'no_progress',
  sees: 'results in which hardly a word is new',
  spares: 'acknowledgements of effects',
  ladder: { notice: 0.5, slow: 0.7, pause: 0.85 },
  // Programs work through lists with answers that look alike, so a host only notifies.
  host: { slow: null, pause: null },
  on: 'act',
  initial: (): Streak => NO_STREAK,
  observe(state, act, run) {
    const next = follow(state, isStale(act), act);
    if (next.count >= LEAST)
      run.say(sure(next.count - LEAST + 1, HALF), '', {
        text: `Nothing new came of the last ${next.count} steps.`,
        events: [next.from, run.position],
        subjects: [act.subject],
        figures: { steps: next.count },
      });
    return next;
  },
});
