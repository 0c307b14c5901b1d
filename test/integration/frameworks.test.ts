/** Frameworks as they are on npm, in an isolate: what they ask for goes over the bus, and each run replays to the same effects. */
import { describe, expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front } from '../front.ts';

const TURNS = [
  { when: { after: 'weather', matches: String.raw`(\d+)` }, say: 'It is $1 degrees.' },
  { when: { matches: String.raw`warm is it in (\w+)` }, call: [{ tool: 'weather', input: { city: '$1' } }] },
  { when: { after: 'look', matches: String.raw`(\d+)` }, say: 'It is $1 degrees.' },
  { when: { matches: String.raw`weather in (\w+)` }, call: [{ tool: 'look', input: { city: '$1' } }] },
  { when: { matches: 'JSON' }, say: '{"city":"Rome"}' },
  { when: { matches: 'fail' }, fail: 'refused' },
  { when: { matches: 'busy' }, fail: 'busy' },
  { when: { matches: 'break' }, say: 'Half an answer', fail: 'lost' },
  { when: { matches: 'pace' }, say: 'One word after the other.', pace_ms: 50 },
  { say: 'Hello.' },
];

const CONFIG = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({
  policies: 'none',
  models: { default: { provider: 'scripted', turns: ${JSON.stringify(TURNS)} } },
  tools: [tool({ name: 'weather.get', description: 'the weather', input: z.object({ city: z.string() }), output: z.object({ degrees: z.number() }),
    annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' }, run: () => ({ degrees: 21 }) })],
});`;

/** The outcomes of an agent, a run for each of the cases, each of them replayed as well. */
async function outcomesOf(file: string, agent: string, cases: Readonly<Record<string, unknown>>): Promise<unknown> {
  const f = await front({ configCode: CONFIG });
  await f.deploy(agentFile(file));
  const seen: Record<string, unknown> = {};
  for (const what of Object.keys(cases)) {
    const { run } = await f.admin.submitRun({ body: { agent, input: { what } } });
    const { outcome } = await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    const { matches, difference } = await f.admin.replayRun({ params: { run }, body: {} });
    seen[what] = matches && outcome?.kind === 'completed' ? outcome.output : { outcome, difference };
  }
  return seen;
}

const SAID = 'It is 21 degrees.';
const TOKENS = expect.any(Number) as number;

interface Sdk {
  readonly sdk: string;
  readonly file: string;
  readonly agent: string;
  readonly cases: Readonly<Record<string, unknown>>;
  /** Those that `npm test` has: each of them is a run of a large bundle, and a replay of it. */
  readonly short: readonly string[];
}

const SDKS: readonly Sdk[] = [
  {
    sdk: 'AI SDK',
    file: 'frameworks/ai-sdk',
    agent: 'support',
    short: ['generate', 'agent stream', 'object', 'broken stream', 'refused', 'abort'],
    cases: {
      generate: { text: SAID, steps: 2, tokens: TOKENS },
      'own tools': { text: SAID },
      stream: { text: SAID, finish: 'stop' },
      agent: { text: SAID },
      'agent stream': {
        text: SAID,
        kinds: expect.arrayContaining([
          'tool-input-start',
          'tool-input-delta',
          'tool-call',
          'tool-result',
          'text-delta',
          'finish',
        ]) as string[],
      },
      object: { city: 'Rome' },
      'object stream': { city: 'Rome', partial: true },
      'broken stream': { text: 'Half an answer', errors: ['CORRAL_STREAM_LOST'] },
      'aborted stream': { last: 'abort' },
      named: { text: 'Hello.' },
      provider: { text: SAID, steps: 2, streamed: 'Hello.' },
      refused: 'CORRAL_TOOL_FAILED',
      abort: 'AbortError',
    },
  },
  {
    sdk: 'OpenAI SDK',
    file: 'frameworks/openai-sdk',
    agent: 'openai',
    short: ['stream', 'tools', 'object', 'responses', 'refused', 'abort'],
    cases: {
      chat: { text: 'Hello.', finish: 'stop', counted: true, model: 'script' },
      stream: { text: 'Hello.', counted: true },
      tools: { text: SAID },
      object: { city: 'Rome' },
      responses: { text: SAID, turn: 2, status: 'completed' },
      'responses-stream': { text: 'Hello.', whole: 'Hello.' },
      'by hand': { ok: true, status: 'completed' },
      refused: { status: 400, code: 'CORRAL_TOOL_FAILED', message: expect.any(String) as string },
      busy: { status: 503, code: 'CORRAL_TOOL_FAILED', message: expect.any(String) as string },
      hosted: { status: 400, code: 'unsupported', message: expect.stringContaining('web_search') as string },
      elsewhere: expect.stringContaining('Nothing that this run holds answers https://example.com') as string,
      abort: 'aborted',
    },
  },
  {
    sdk: 'Anthropic SDK',
    file: 'frameworks/anthropic-sdk',
    agent: 'anthropic',
    short: ['stream', 'tools', 'refused', 'abort'],
    cases: {
      message: { text: 'Hello.', stop: 'end_turn', counted: true },
      stream: { text: 'Hello.', whole: 'Hello.', counted: true },
      tools: { text: SAID },
      'stream-tools': {
        stop: 'tool_use',
        content: [{ type: 'tool_use', id: expect.any(String) as string, name: 'look', input: { city: 'Rome' } }],
      },
      refused: { status: 400, message: expect.any(String) as string },
      hosted: { status: 400, message: expect.stringContaining('web_search') as string },
      abort: 'aborted',
    },
  },
];

async function expectCases({ file, agent, cases, short }: Sdk, isShort: boolean): Promise<void> {
  const some = Object.fromEntries(Object.entries(cases).filter(([name]) => short.includes(name) === isShort));
  expect(Object.keys(some).length).toBeGreaterThan(0);
  expect(await outcomesOf(file, agent, some)).toEqual(some);
}

describe('from npm, unmodified, live and replayed', () => {
  test.each(SDKS.slice(0, 1))('the $sdk asks, streams, runs tools, fails and aborts', (sdk) => expectCases(sdk, true));
  test.each(SDKS.slice(1))('the $sdk asks, streams, runs tools, fails and aborts', { tags: 'long' }, (sdk) => expectCases(sdk, true));
  test.each(SDKS)('the $sdk does the rest of what it can', { tags: 'long' }, (sdk) => expectCases(sdk, false));
});
