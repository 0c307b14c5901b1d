/** Frameworks as they are on npm, in an isolate: what they ask for goes over the bus, and each run replays to the same effects. */
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front } from '../front.ts';

const TURNS = [
  { when: { after: 'look', matches: String.raw`(\d+)` }, say: 'It is $1 degrees.' },
  { when: { matches: String.raw`weather in (\w+)` }, call: [{ tool: 'look', input: { city: '$1' } }] },
  { when: { matches: 'JSON' }, say: '{"city":"Rome"}' },
  { when: { matches: 'fail' }, fail: 'refused' },
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

test(
  'the AI SDK generates, streams, loops over tools, gives structured answers, fails and aborts, live and replayed',
  { timeout: 120_000 },
  async () => {
    const f = await front({ configCode: CONFIG });
    await f.deploy(agentFile('frameworks/ai-sdk'));
    const said = 'It is 21 degrees.';
    for (const [what, output] of [
      ['generate', { text: said, steps: 2, tokens: expect.any(Number) as number }],
      ['stream', { text: said, finish: 'stop' }],
      ['agent', { text: said }],
      ['object', { city: 'Rome' }],
      ['named', { text: 'Hello.' }],
      ['refused', 'CORRAL_TOOL_FAILED'],
      ['abort', 'AbortError'],
    ] as const) {
      const { run } = await f.admin.submitRun({ body: { agent: 'support', input: { what } } });
      const { outcome } = await f.admin.showRun({ params: { run }, query: { wait_ms: 30_000 } });
      expect({ what, outcome }).toEqual({ what, outcome: { kind: 'completed', output } });
      expect({ what, ...(await f.admin.replayRun({ params: { run }, body: {} })) }).toMatchObject({
        what,
        matches: true,
        difference: null,
      });
    }
  },
);
