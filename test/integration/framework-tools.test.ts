/** An agent's capabilities as tools for a model, on a real host. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { front, shortFolder } from '../front.ts';
import { found } from '../until.ts';

const RULES = `@id("all") permit (principal, action, resource);
@id("not-paris") forbid (principal, action == Action::"tool:weather.get", resource) when { context.args.city == "Paris" };
@id("ask-oslo") @consequence("approval") forbid (principal, action == Action::"tool:weather.get", resource) when { context.args.city == "Oslo" };`;

const configOf = (policies: string) => `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const get = (name, input) => tool({ name, description: 'the weather of a city', input, output: z.object({ degrees: z.number() }),
  annotations: { readOnly: true, idempotent: true, destructive: false, openWorld: false, returns: 'trusted' }, run: () => ({ degrees: 21 }) });
export default defineConfig({
  policies: ${policies},
  models: { default: { provider: 'scripted', turns: [{ say: 'Hello.' }] } },
  tools: [get('weather.get', z.object({ city: z.string() })), get('large.get', z.object({ city: z.string().describe('x'.repeat(200_000)) }))],
});`;

test('capabilities are tools with the host’s descriptions and schemas; a denial is data for the model, and a call that people are asked about takes long', async () => {
  const policies = join(await shortFolder(), 'rules.cedar');
  await writeFile(policies, RULES);
  const f = await front({ configCode: configOf(JSON.stringify([policies])) });
  await f.deploy(agentFile('frameworks/declared'));
  const begin = async (agent: string, input: object) => (await f.admin.submitRun({ body: { agent, input: input as never } })).run;
  const outcome = async (run: Awaited<ReturnType<typeof begin>>) =>
    (await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).outcome;
  const completed = (output: unknown) => ({ kind: 'completed', output });

  // A model is not among its own tools.
  const told = await begin('declared', {});
  expect(await outcome(told)).toMatchObject(
    completed([
      {
        name: 'weather',
        description: 'the weather of a city',
        inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    ]),
  );
  expect(await f.admin.replayRun({ params: { run: told }, body: {} })).toMatchObject({ matches: true, difference: null });

  const [rome, paris, wrong] = [{ city: 'Rome' }, { city: 'Paris' }, { town: 'Rome' }].map(async (asked) =>
    outcome(await begin('declared', { asked })),
  );
  expect(await rome).toEqual(completed({ degrees: 21 }));
  expect(await paris).toMatchObject(
    completed({ error: { code: 'CORRAL_DENIED', message: expect.stringContaining('not-paris') as string } }),
  );
  expect(await wrong).toMatchObject(completed({ error: { code: 'CORRAL_ARGS_INVALID' } }));

  const oslo = await begin('declared', { asked: { city: 'Oslo' } });
  const { call } = await found(async () => (await f.admin.listApprovals({})).items.find((one) => one.run === oslo), 'people are asked');
  await (
    await f.as('local', 'approver')
  ).decideApproval({ params: { run: oslo, call }, body: { verdict: 'approve', reason: 'it is cold there' } });
  expect(await outcome(oslo)).toEqual(completed({ degrees: 21 }));

  expect(await outcome(await begin('declared', { only: ['model'] }))).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('The host describes no tool model; it describes none.') as string,
  });
  // Six descriptions of this length are more than a start has room for.
  expect(await outcome(await begin('much-declared', {}))).toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('that of f was left out') as string,
  });

  // An agent that does not ask for them is not told what its tools say of themselves.
  await f.deploy(`import { defineAgent } from '@corral/guest';
        export default defineAgent({ name: 'plain', uses: { weather: 'tool:weather.get' }, run: ({ caps }) => caps.weather({ city: 'Rome' }) });`);
  const plain = await begin('plain', {});
  expect(await outcome(plain)).toEqual(completed({ degrees: 21 }));
  const { items } = await f.admin.runJournal({ params: { run: plain }, query: {} });
  expect(JSON.stringify(items[0])).toContain('weather.get');
  expect(JSON.stringify(items[0])).not.toContain('the weather of a city');
});
