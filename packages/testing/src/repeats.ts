/** Tests from recorded runs: the agent of today meets the answers of then, and must ask for the same. */
import { readFile } from 'node:fs/promises';
import { Fixture } from '@corral/protocol/api/fixtures';
import { canonical } from '@corral/protocol/json';
import { underTest, type TestedRun } from './agent.ts';
import { SkippingClock } from './clock.ts';
import type { Fake, Fakes } from './fakes.ts';

/** The agent did otherwise than the recorded run. */
export class Differs extends Error {
  override readonly name = 'Differs';
  readonly run: TestedRun;
  constructor(run: TestedRun, message: string) {
    super(message);
    this.run = run;
  }
}

/**
 * Runs an agent on the input of a recorded run and with the answers that its tools gave, without a host and without a network.
 * @param fixture the file that `corral test from RUN` wrote
 * @param tools fakes that replace recorded answers, such as those that are hidden because they are private
 * @throws Differs, naming the first call or the end that is another
 */
export async function repeats(agent: string | URL, fixture: string | URL, tools: Fakes = {}): Promise<TestedRun> {
  const recorded = Fixture.parse(JSON.parse(await readFile(fixture, 'utf8')));
  const clock = new SkippingClock(recorded.at);
  const under = await underTest(agent, { ...answersOf(recorded, clock), ...tools }, {}, clock);
  try {
    const run = await under.end(recorded.input);
    const difference = differenceOf(recorded, run);
    if (difference !== undefined) throw new Differs(run, `${recorded.run}: ${difference}`);
    return run;
  } finally {
    await under.close();
  }
}

type Call = Fixture['calls'][number];

const text = (value: unknown): string => canonical(value ?? null);

/** Fakes that give the recorded answers, at their times: to the same arguments if there are such, else the next one of the tool. */
function answersOf({ calls, tools }: Fixture, clock: SkippingClock): Fakes {
  const answers = Map.groupBy(calls, ({ tool }) => tool);
  return Object.fromEntries(
    [...new Set([...tools, ...answers.keys()])].map((tool): [string, Fake] => [
      tool,
      (input: unknown) => {
        const left = answers.get(tool) ?? [];
        const same = left.findIndex((call) => !call.input_hidden && text(call.input) === text(input));
        const [call] = left.splice(Math.max(0, same), 1);
        if (call === undefined) throw new Error(`The recorded run called ${tool} less often.`);
        clock.reach(call.answered_at);
        if (call.error !== null) throw new Error(call.error.message);
        return call.result;
      },
    ]),
  );
}

function differenceOf({ calls, outcome }: Fixture, run: TestedRun): string | undefined {
  const shown = ({ tool, input }: { readonly tool: string; readonly input: unknown }) => `${tool} ${text(input)}`;
  for (const [i, made] of run.calls.entries()) {
    const then = calls[i];
    if (then === undefined) return `call ${i + 1} is new: ${shown(made)}.`;
    if (!isSame(then, made)) return `call ${i + 1} was ${then.input_hidden ? then.tool : shown(then)}, and is ${shown(made)} now.`;
  }
  const missing = calls[run.calls.length];
  if (missing !== undefined)
    return `call ${run.calls.length + 1} is missing: ${missing.tool}${missing.input_hidden ? '' : ` ${text(missing.input)}`}.`;
  const code = 'code' in run.outcome ? run.outcome.code : null;
  if (run.outcome.kind !== outcome.kind)
    return `it was ${outcome.kind}, and is ${run.outcome.kind}${code === null ? '' : ` (${code})`} now.`;
  if (outcome.kind === 'completed' && !outcome.output_hidden && text(outcome.output) !== text(run.output))
    return `its output was ${text(outcome.output)}, and is ${text(run.output)} now.`;
  return undefined;
}

const isSame = (then: Call, made: { readonly tool: string; readonly input: unknown }): boolean =>
  then.tool === made.tool && (then.input_hidden || text(then.input) === text(made.input));
