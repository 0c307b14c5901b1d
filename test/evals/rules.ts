/** Rules of agent frameworks against loops, for comparison with the detectors on the same rows. */
import { hasFailed, isCutOff, type Call } from './data.ts';

export interface Rule {
  readonly name: string;
  /** For each call, whether the rule has fired by then. */
  fired(calls: readonly Call[]): boolean[];
}

const action = (call: Call) => `${call.agent} ${call.tool} ${JSON.stringify(call.args, Object.keys(call.args).sort())}`;
const observation = (call: Call) => `${call.res_sha ?? call.result ?? ''} ${call.error ?? ''}`;
/** The same call with the same result three times, anywhere in the run. */
const threeTimes: Rule = {
  name: 'same call and result 3 times',
  fired(calls) {
    const times = new Map<string, number>();
    let fired = false;
    return calls.map((call, index) => {
      const key = `${action(call)} ${observation(call)}`;
      const count = (times.get(key) ?? 0) + (isCutOff(calls, index) ? 0 : 1);
      times.set(key, count);
      return (fired ||= count >= 3);
    });
  },
};

/**
 * Four identical pairs of action and observation in a row, three identical failing actions in a row, or two alternating pairs over six
 * calls.
 */
const usual: Rule = {
  name: 'usual stuck detector',
  fired(calls) {
    const pairs: string[] = [];
    const failing: (string | undefined)[] = [];
    let fired = false;
    return calls.map((call, index) => {
      if (isCutOff(calls, index)) return fired;
      pairs.push(`${action(call)} ${observation(call)}`);
      failing.push(hasFailed(call) ? action(call) : undefined);
      const last = (n: number, from: readonly unknown[]) => (from.length >= n ? from.slice(-n) : undefined);
      const four = last(4, pairs);
      const three = last(3, failing);
      const six = last(6, pairs);
      if (four?.every((pair) => pair === four[0]) === true) fired = true;
      if (three?.every((one) => one !== undefined && one === three[0]) === true) fired = true;
      if (six?.every((pair, i) => pair === six[i % 2]) === true && six[0] !== six[1]) fired = true;
      return fired;
    });
  },
};

export const RULES: Readonly<Record<string, Rule>> = { three_times: threeTimes, usual_stuck_detector: usual };
