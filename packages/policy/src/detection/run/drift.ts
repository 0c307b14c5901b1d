/** Detects calls that are unlike the agent's approved runs. */
import { detector, sure } from '../detector.ts';
import { surprise } from '../profile.ts';

/** Total surprise with confidence 0.5, fitted on recorded runs. Nats. */
export const DRIFT_HALF = 12;
const LEAST_SURE = 0.3;
/** Number of remembered tools, in order of use; of remembered oddities, so that each counts once; of oddities in a finding. */
const TOOLS_MAX = 64;
const SAID_MAX = 128;
const ODDEST = 4;

/** Something unusual about a call; `call` is the run's number of the call. */
export type Odd = {
  readonly about: string;
  /** Nats, as added to the run's score. */
  readonly score: number;
  readonly position: number;
  readonly call: number;
};
export type Drift = {
  score: number;
  oddest: readonly Odd[];
  readonly said: string[];
  used: string[];
  /** The distinct tools of `used`. */
  tools: string[];
};

export const drift = detector({
  name: 'drift',
  sees: 'calls unlike the agent version’s approved runs: tools, their order and company, shape of arguments, where values come from and where they go',
  spares: 'values that stood in the prompt',
  // Unusual is not wrong: by default a person is notified, and the run is not paused.
  ladder: { notice: 0.4, pause: 0.5 },
  host: { pause: null },
  on: 'call',
  initial: (): Drift => ({ score: 0, oddest: [], said: [], used: [], tools: [] }),
  observe(state, call, run) {
    // A run that has no profile now never gets one.
    if (run.profile === undefined) return state;
    const { parts } = surprise(run.profile, state.tools, state.used.at(-1), call);
    let nth = 0;
    for (const { aspect, about, score } of parts) {
      const id = `${aspect} ${about}`;
      if (state.said.includes(id)) continue;
      if (state.said.length < SAID_MAX) state.said.push(id);
      const part = score / 2 ** nth++;
      state.score += part;
      state.oddest = [...state.oddest, { about: `${aspect}: ${about}`, score: part, position: run.position, call: call.id }]
        .sort((a, b) => b.score - a.score)
        .slice(0, ODDEST);
    }
    const confidence = sure(state.score, DRIFT_HALF);
    if (nth > 0 && confidence >= LEAST_SURE)
      run.say(confidence, '', {
        text: `Unlike this agent’s approved runs: ${state.oddest.map((one) => `call ${one.call} (${one.about})`).join('; ')}.`,
        events: state.oddest.map((one) => one.position),
        subjects: [call.tool],
        figures: { score: state.score },
      });
    remember(state, call.tool);
    return state;
  },
});

function remember(state: Drift, tool: string): void {
  state.used.push(tool);
  const full = state.used.length > TOOLS_MAX;
  if (full) state.used = [...new Set(state.used.slice(0, -2)), ...state.used.slice(-2)].slice(-TOOLS_MAX);
  if (full || !state.tools.includes(tool)) state.tools = [...new Set(state.used)];
}
