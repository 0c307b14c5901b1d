/** Detects acts that say the same in other words. */
import { detector, sure } from '../detector.ts';
import { follow, isStale, NO_STREAK, type Streak } from './streak.ts';

/** Two wordings with this similarity say the same. */
const ALIKE = 0.5;
const HALF = 3;

export const nearRepeat = detector({
  name: 'near_repeat',
  sees: 'calls and messages that say the same in other words (weighted Jaccard over words and word pairs, rare words weighing more) and bring nothing new',
  spares: 'the same words with new content in the answer',
  ladder: { notice: 0.5, slow: 0.7, pause: 0.85 },
  // Programs work through lists with calls that look alike, so a host only notifies.
  host: { slow: null, pause: null },
  on: 'act',
  initial: (): Streak => NO_STREAK,
  observe(state, act, run) {
    const next = follow(state, act.alike >= ALIKE && act.same === 0 && isStale(act), act);
    if (next.count >= 2)
      run.say(sure(next.count - 1, HALF), act.subject, {
        text: `${next.count} steps with ${act.subject} said the same in other words and brought nothing new.`,
        events: [next.from, run.position],
        subjects: [act.subject],
        figures: { times: next.count, alike: act.alike },
      });
    return next;
  },
});
