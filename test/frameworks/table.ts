/**
 * Makes the cells of docs/frameworks.md. An agent in a framework is asked for each thing on a real host, with a model on a real server, in
 * four ways: live, replayed from its journal, parked before the model answers, and with its cell killed while the model thinks.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunId } from '@corral/protocol/ids';
import type { Outcome } from '@corral/protocol/model/outcome';
import { front, shortFolder, type Front } from '../front.ts';
import { openAiServer, type OpenAiServer, type Says } from '../openai-server.ts';
import { family } from '../processes.ts';
import { found, until } from '../until.ts';

export const WHATS = ['generate', 'stream', 'tools', 'abort', 'error', 'structured', 'interrupt'] as const;
export type What = (typeof WHATS)[number];
export const HOWS = ['live', 'replay', 'park', 'kill'] as const;
type How = (typeof HOWS)[number];
/** `ok`, or what came instead. */
export type Cell = Readonly<Record<How, string>>;

/** The outputs of all agents. */
const EXPECTED: Readonly<Record<What, unknown>> = {
  generate: 'Hello.',
  stream: 'Hello.',
  tools: 'It is 21 degrees.',
  abort: 'aborted',
  error: 'CORRAL_TOOL_FAILED',
  structured: { city: 'Rome' },
  interrupt: 'May it? Hello. Yes.',
};
/** Requests to the model. */
const asks = (what: What): number => (what === 'tools' ? 2 : 1);

const ASKS = `@id("all") permit (principal, action, resource);
@id("ask") @consequence("approval") forbid (principal, action == Action::"model:default", resource);`;
const LOOK_MS = 30_000;

const configOf = (url: string, policies: string) => `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const annotations = { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' };
export default defineConfig({
  policies: ${policies}, tenants: { local: { loops: false } }, limits: { park_after_ms: 10 },
  models: { default: { provider: 'openai-compatible', model: 'm-1', base_url: '${url}', price: 'free', max_output_tokens: 100 } },
  tools: [
    tool({ name: 'weather.get', description: 'The weather of a city.', input: z.object({ city: z.string() }), output: z.object({ degrees: z.number() }), annotations, run: () => ({ degrees: 21 }) }),
    tool({ name: 'desk.ask', description: 'Asks a person.', input: z.object({ question: z.string() }), output: z.string(), annotations, run: () => 'Yes.' }),
  ],
});`;

type Asked = OpenAiServer['asked'][number];
const NEVER = new Promise<never>(() => undefined);

/** The model: it asks for the weather, reads the answer, and otherwise does what the question says. */
function answerTo({ body }: Asked): ReturnType<Says['reply']> {
  const last = body.messages.at(-1);
  const said = JSON.stringify(last?.content ?? '');
  if (last?.role === 'tool') return `It is ${/\d+/.exec(said)?.[0] ?? 'unknown'} degrees.`;
  if (said.includes('slow')) return NEVER;
  if (said.includes('fail')) return { status: 400, message: 'refused' };
  const [{ function: { name = 'none' } = {} } = {}] = (body['tools'] ?? []) as readonly {
    readonly function?: { readonly name?: string };
  }[];
  if (said.includes('weather')) return { calls: [{ name, arguments: '{"city":"Rome"}' }] };
  return said.includes('JSON') ? '{"city":"Rome"}' : 'Hello.';
}

type Finished = NonNullable<Parameters<typeof front>[1]>;

/** Two hosts with one model. On the second, people are asked about each call of it. */
export class Stage {
  readonly #server: OpenAiServer;
  readonly #free: Front;
  readonly #asking: Front;
  readonly #gate: { held: Promise<unknown> };

  private constructor(server: OpenAiServer, free: Front, asking: Front, gate: { held: Promise<unknown> }) {
    this.#server = server;
    this.#free = free;
    this.#asking = asking;
    this.#gate = gate;
  }

  static async begin(finished: Finished): Promise<Stage> {
    const gate = { held: Promise.resolve() as Promise<unknown> };
    const server = await openAiServer({ reply: (asked) => gate.held.then(() => answerTo(asked)) });
    finished(() => server.close());
    const policies = join(await shortFolder(finished), 'ask.cedar');
    await writeFile(policies, ASKS);
    const free = await front({ configCode: configOf(server.url, `'none'`) }, finished);
    const asking = await front({ configCode: configOf(server.url, JSON.stringify([policies])) }, finished);
    return new Stage(server, free, asking, gate);
  }

  /** @throws what the host refuses its bundle with */
  async deploy(file: string): Promise<void> {
    await this.#free.deploy({ file });
    await this.#asking.deploy({ file });
  }

  async cell(name: string, what: What): Promise<Cell> {
    return { ...(await this.#live(name, what)), park: await this.#park(name, what), kill: await this.#kill(name, what) };
  }

  async #live(agent: string, what: What): Promise<Pick<Cell, 'live' | 'replay'>> {
    const run = await begun(this.#free, agent, what);
    const live = await judged(this.#free, what, run);
    const { matches, difference } = await this.#free.admin.replayRun({ params: { run }, body: {} });
    return { live, replay: matches ? 'ok' : `it diverged: ${JSON.stringify(difference)}` };
  }

  /** Each call of the model waits for a person, and its run is parked meanwhile. */
  async #park(agent: string, what: What): Promise<string> {
    const { admin } = this.#asking;
    const approver = await this.#asking.as('local', 'approver');
    const run = await begun(this.#asking, agent, what);
    for (let parked = 0; parked < asks(what); parked++) {
      const call = await found(async () => {
        if (await isOver(this.#asking, run)) return 'over';
        return (await admin.listApprovals({})).items.find((one) => one.run === run)?.call;
      }, 'people are asked about the model');
      if (call === 'over') return what === 'abort' ? judged(this.#asking, what, run) : `it ended before it was parked ${parked + 1} times`;
      await until(async () => (await admin.showRun({ params: { run }, query: {} })).residency === 'parked', 'the run is parked');
      await approver.decideApproval({ params: { run, call }, body: { verdict: 'approve', reason: 'a test' } });
      await until(async () => !(await admin.listApprovals({})).items.some((one) => one.run === run && one.call === call), 'it was decided');
    }
    return judged(this.#asking, what, run);
  }

  /** While the model thinks, all cells are killed. */
  async #kill(agent: string, what: What): Promise<string> {
    const gate = Promise.withResolvers<void>();
    this.#gate.held = gate.promise;
    const before = this.#server.asked.length;
    try {
      const run = await begun(this.#free, agent, what);
      const isAsked = async () => this.#server.asked.length > before || (await isOver(this.#free, run));
      await until(isAsked, 'the model is asked');
      const killed = cells();
      for (const pid of killed) process.kill(pid, 'SIGKILL');
      gate.resolve();
      const judgement = await judged(this.#free, what, run);
      const again = this.#server.asked.length - before - asks(what);
      if (killed.length === 0) return 'there was no cell to kill';
      return judgement === 'ok' && again !== 0 ? `the model was asked ${again} times too often` : judgement;
    } finally {
      gate.resolve();
    }
  }
}

const begun = async ({ admin }: Front, agent: string, what: What): Promise<RunId> =>
  (await admin.submitRun({ body: { agent, input: { what } } })).run;

const isOver = async ({ admin }: Front, run: RunId): Promise<boolean> =>
  (await admin.showRun({ params: { run }, query: {} })).outcome !== null;

async function judged({ admin }: Front, what: What, run: RunId): Promise<string> {
  const { outcome } = await admin.showRun({ params: { run }, query: { wait_ms: LOOK_MS } });
  return outcome === null ? 'it did not end' : compared(what, outcome);
}

function compared(what: What, outcome: Outcome): string {
  if (outcome.kind !== 'completed') return `${outcome.kind}: ${'message' in outcome ? outcome.message : JSON.stringify(outcome)}`;
  const is = JSON.stringify(outcome.output);
  return is === JSON.stringify(EXPECTED[what]) ? 'ok' : `it returned ${is}`;
}

/** The processes of cells of this test. */
const cells = (): number[] =>
  family(process.pid).flatMap(({ pid }) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('cell/dist/main.js') ? [pid] : [];
    } catch {
      return [];
    }
  });
