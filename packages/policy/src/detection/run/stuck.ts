/** Reports the score of ../stuck.ts, which combines all evidence. */
import { detector, sure, type WatchedRun } from '../detector.ts';
import { EVIDENCE, type Evidence } from '../weights.ts';

/** Score with confidence 0.5. It was reached by 0.5 % of the recorded runs that went well. */
const HALF = 14;
const LEAST_SURE = 0.2;

export const stuck = detector({
  name: 'stuck',
  sees: 'all evidence of acts together, as one cumulative score',
  spares: '',
  ladder: { notice: 0.35, slow: 0.45, pause: 0.55, kill: 0.75 },
  on: 'act',
  initial: () => undefined,
  observe(state, _act, run) {
    const { score } = run.stuck;
    const confidence = sure(score, HALF);
    // Checked first, because the score stays high for long and building the evidence takes time.
    if (confidence >= LEAST_SURE && run.isNews(confidence, '')) run.say(confidence, '', evidenceOf(run));
    return state;
  },
});

function evidenceOf(run: WatchedRun) {
  const { score, by, since, acts, now } = run.stuck.state;
  const whole = EVIDENCE.reduce((sum, name) => sum + by[name], 0);
  const repeated = whole > 0 ? REPEATED.reduce((sum, name) => sum + by[name], 0) / whole : 0;
  const told = EVIDENCE.filter((name) => by[name] > 0)
    .sort((a, b) => by[b] - by[a])
    .slice(0, 3);
  return {
    text: `No way forward in ${acts} steps: ${told.map((name) => WORDS[name]).join('; ')}.`,
    events: [since, run.position],
    subjects: [],
    figures: { score, now, steps: acts, repeated },
  };
}

/** Evidence that something was done before, as opposed to things that only look alike. */
const REPEATED: readonly Evidence[] = ['same', 'same_twice', 'again', 'message_alike', 'message_stale', 'unanswered'];

const WORDS: Readonly<Record<Evidence, string>> = {
  same: 'the same calls with the same results',
  same_twice: 'again and again',
  again: 'the same calls once more',
  alike: 'calls that hardly differ',
  stale: 'results with nothing new',
  failed: 'failures',
  failed_on: 'one failure after another',
  echo: 'other calls with the same result',
  message_alike: 'messages that hardly differ',
  message_stale: 'messages that say nothing new',
  unanswered: 'messages that nobody answered',
  failing: 'answers that speak of failure',
  retrying: 'talk of trying again',
};
