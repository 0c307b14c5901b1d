/** `agentUnderTest`, as authors of agents use it: failures, rules, people, time, services. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AgentFailed, agentUnderTest, type Fakes, type Rules } from '@corral/testing';
import { agentText } from '../agents/file.ts';
import { linkPackages } from '../project.ts';

const HEAD = `import { defineAgent, defineService, handler } from '@corral/guest';\nimport * as z from 'zod/mini';\n`;
const PAYER = `${HEAD}export default defineAgent({ name: 'payer', purpose: 'pays', uses: { pay: 'tool:bank.pay' }, budget: { money_micros: 10_000_000_000 },
  run: async ({ input, caps }: any) => (await caps.pay({ to: 'bob', amount: input.amount })).paid });`;
const CONFIG = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({
  policies: 'none', risk: { 'bank.*': { ask: 100, two: 500, never: 1_000 } },
  tools: [tool({ name: 'bank.pay', description: 'Pays.', input: z.object({ to: z.string(), amount: z.number() }), output: z.object({ paid: z.number() }),
    annotations: { money: 'amount' }, run: () => { throw new Error('the real bank was called'); } })],
});`;

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'corral-test-'));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  await linkPackages(made);
  return made;
}

async function under(source: string, fakes: Fakes = {}, rules: Rules = {}, config?: string) {
  const here = await folder();
  await writeFile(join(here, 'agent.ts'), source);
  const file = join(here, 'corral.config.ts');
  if (config !== undefined) await writeFile(file, config);
  const agent = await agentUnderTest(join(here, 'agent.ts'), fakes, { ...rules, ...(config === undefined ? {} : { config: file }) });
  onTestFinished(() => agent.close());
  return agent;
}

const pays: Fakes = { 'bank.pay': ({ amount }: { readonly amount: number }) => ({ paid: amount }) };

describe('an agent that fails', () => {
  test('rejects with its own error and line; a test of the failure itself sees how it ended', async () => {
    const agent = await under(`${HEAD}export default defineAgent({ name: 'a', purpose: 'x',
  run: async () => {
    throw new Error('out of tea', { cause: new Error('no kettle') });
  } });`);
    const failed = await agent.run().catch((error: unknown) => error as AgentFailed);
    expect(failed).toBeInstanceOf(AgentFailed);
    expect(failed).toMatchObject({ code: 'CORRAL_AGENT_THREW', message: expect.stringContaining('out of tea') as string });
    expect((failed as AgentFailed).stack).toMatch(/agent\.ts:5:\d+[^]*no kettle/u);
    // Runners print the error and the author's line, and not the run's effects and its second stack.
    const printed = inspect(failed);
    expect(printed).toContain('agent.ts:5');
    expect(printed).not.toMatch(/outcome|effects|agent\.js/u);
    expect((failed as AgentFailed).run.outcome.kind).toBe('failed');
    expect((await agent.end()).outcome).toMatchObject({ kind: 'failed', message: 'out of tea' });
  });

  test('by a result that its schema does not take is told what kind of value it was', async () => {
    const agent = await under(agentText('authors/returns-odd'));
    const received = async (which: string) =>
      /expected (.*)\.$/.exec(await agent.run({ which }).then(String, (e: AgentFailed) => e.message))?.[1];
    expect(await received('map')).toBe('string, received undefined in a Map');
    expect(await received('money')).toBe('string, received undefined in a Money');
    expect(await received('plain')).toBe('string, received object');
    expect(await received('date within')).toBe('string, received Date');
    expect(await received('function within')).toBe('string, received function');
    expect(await received('set within')).toBe('string, received Set');
    expect(await received('trap within')).toBe('string, received object');
  });

  test('by computing for ever is reported with the line at which it does, also after a call', async () => {
    const agent = await under(
      `${HEAD}export default defineAgent({ name: 'a', purpose: 'x', uses: { pay: 'tool:bank.pay' }, run: async ({ caps }: any) => {
  await caps.pay({ amount: 1 });
  return burn();
} });
function burn(): number {
  for (let n = 0; ; n++) if (n < 0) return n;
}`,
      pays,
    );
    const failed = await agent.run().catch((error: unknown) => error as AgentFailed);
    expect(failed).toMatchObject({ run: { outcome: { kind: 'exceeded', limit: 'cpu' } } });
    expect((failed as AgentFailed).stack).toMatch(/burn \(.*agent\.ts:8:\d+\)[^]*agent\.ts:5:\d+/u);
  });

  test('by waiting for what nothing brings is reported with the effect after which it does', async () => {
    const source = (before: string) => `${HEAD}export default defineAgent({ name: 'a', purpose: 'x', uses: { pay: 'tool:bank.pay' },
  run: async ({ caps }: any) => { ${before} await new Promise(() => undefined); } });`;
    const stalled = { code: 'CORRAL_STALLED' };
    await expect((await under(source('await caps.pay({ amount: 1 }); await caps.pay({ amount: 2 });'), pays)).run()).rejects.toMatchObject({
      ...stalled,
      message: expect.stringContaining('after its effect number 2') as string,
    });
    await expect((await under(source(''), pays)).run()).rejects.toMatchObject({
      ...stalled,
      message: expect.stringContaining('before its first effect') as string,
    });
  });

  test('since the test has no fake of a tool is reported with the fakes that there are', async () => {
    const agent = await under(PAYER, {}, {}, CONFIG);
    await expect(agent.run({ amount: 5 })).rejects.toMatchObject({
      code: 'CORRAL_TOOL_FAILED',
      message: expect.stringContaining('The test gives no fake of bank.pay. It gives none.') as string,
    });
  });
});

describe('the rules of a configuration', () => {
  test('hold over the fakes, and no real tool is called: what is denied, and how many people approve', async () => {
    const agent = await under(PAYER, pays, { approve: ({ input }) => (input as { amount: number }).amount < 700 }, CONFIG);
    expect(await agent.run({ amount: 50 })).toMatchObject({ output: 50, asked: [], calls: [{ tool: 'bank.pay', output: { paid: 50 } }] });
    expect(await agent.run({ amount: 600 })).toMatchObject({
      output: 600,
      asked: [{ tool: 'bank.pay', quorum: 2, rules: ['risk/bank.*/ask', 'risk/bank.*/two'], verdict: 'approve' }],
    });
    await expect(agent.run({ amount: 800 })).rejects.toMatchObject({ code: 'CORRAL_APPROVAL_DENIED' });
    const never = await agent.end({ amount: 1_001 });
    expect(never).toMatchObject({ outcome: { kind: 'failed', code: 'CORRAL_DENIED' }, calls: [], asked: [] });
  });

  test('may be stated by the test, and nobody approves unless it says so', async () => {
    const agent = await under(
      PAYER,
      { 'bank.pay': { run: pays['bank.pay'] as never, annotations: { money: 'amount', openWorld: true } } },
      { policies: 'default' },
    );
    const { outcome, asked } = await agent.end({ amount: 5 });
    expect(outcome).toMatchObject({ code: 'CORRAL_APPROVAL_DENIED', message: expect.stringContaining('give `approve`') as string });
    expect(asked).toMatchObject([{ rules: ['first-use'], verdict: 'deny' }]);
  });
});

test('a stream that the agent leaves is one call of the model’s fake, with what that gave', async () => {
  const source = `${HEAD}export default defineAgent({ name: 'a', purpose: 'x', uses: { model: 'model:default' },
  run: async ({ caps }: any) => { for await (const part of caps.model.stream({ prompt: 'x' })) if (part.type === 'text-delta') break; await caps.model({ prompt: 'y' }); return 1 } });`;
  const agent = await under(source, { 'model:default': () => 'more than waits for a reader '.repeat(200) });
  const { calls } = await agent.run();
  const answered = { tool: 'model:default', output: { text: expect.stringContaining('more than') as string } };
  expect(calls).toMatchObject([answered, answered]);
});

test('a threshold of a day begins again at midnight of UTC', { tags: 'long' }, async () => {
  const config = CONFIG.replace('{ ask: 100, two: 500, never: 1_000 }', '{ day: 150 }');
  const agent = await under(agentText('authors/pays-past-midnight'), pays, { now: Date.UTC(2030, 4, 1, 23) }, config);
  expect((await agent.run()).output).toEqual(['paid', 'CORRAL_DENIED', 'CORRAL_DENIED', 'paid', 'CORRAL_DENIED']);
});

test('time skips: a day of sleep takes none, and each run sees the same times', async () => {
  const agent = await under(agentText('authors/sleeps-a-day'), {}, { now: Date.UTC(2030, 4, 1) });
  const { output } = await agent.run();
  expect(output).toEqual(['2030-05-01T00:00:00.000Z', '2030-05-01T00:00:00.007Z', '2030-05-02T00:00:00.007Z', '2030-05-02T00:00:01.007Z']);
});

test('a service keeps its state between messages; its calls and logs are those of the message', async () => {
  const service = await under(agentText('authors/till'), pays);
  expect(await service.send('add', { n: 2 })).toMatchObject({ output: 2, calls: [{ tool: 'bank.pay' }], logs: ['adding 2'] });
  expect(await service.send('add', { n: 3 })).toMatchObject({ output: 5, logs: ['adding 3'] });
  expect(await service.send('add', { n: 3 }, 'other')).toMatchObject({ output: 3 });
  await expect(service.send('add', { n: 10 })).rejects.toThrow('too much');
});

test('a fake that is missing or has a wrong name is named with those that are given, at the line of the test', async () => {
  const missing = await under(PAYER, { 'bank.pya': () => 1, 'shop.price': () => 2 }).catch((error: unknown) => error as Error);
  expect(missing).toMatchObject({
    code: 'CORRAL_CAP_UNKNOWN',
    message: 'payer uses pay as tool:bank.pay, and the test gives no fake of it. It gives bank.pya, shop.price. Did you mean bank.pya?',
    hint: expect.not.stringContaining('corral types') as string,
  });
  expect((missing as Error).stack).toMatch(/agent-under-test\.test\.ts/u);
  expect((missing as Error).stack).not.toMatch(/supervisor|admission/u);
  await expect(under(PAYER, { 'bank.pya': () => 1 }, {}, CONFIG)).rejects.toMatchObject({
    code: 'CORRAL_FAKE_UNKNOWN',
    message: 'The test fakes bank.pya, and its configuration has no such tool. Did you mean bank.pay?',
  });
});

describe('a question to the owner', () => {
  const ASKER = `${HEAD}export default defineAgent({ name: 'asker', purpose: 'x', uses: { owner: 'tool:owner.ask' },
  run: async ({ ask }) => [await ask('Where?', ['staging', 'production']), await ask('Go on?', 'boolean').catch((error: any) => error.message)] });`;

  test('is answered by the fake of its tool, whose answer has to fit', async () => {
    const answers = { 'Where?': 'staging', 'Go on?': 'perhaps' };
    const agent = await under(ASKER, { 'owner.ask': ({ question }: { readonly question: keyof typeof answers }) => answers[question] });
    const { output, calls } = await agent.run();
    expect(output).toEqual(['staging', expect.stringContaining('It takes true or false.')]);
    expect(calls).toMatchObject([
      { tool: 'owner.ask', input: { question: 'Where?' }, output: 'staging' },
      { tool: 'owner.ask', input: { question: 'Go on?' }, error: expect.stringContaining('does not take this answer') as string },
    ]);
  });

  test('without a fake is declined, and the test is told what to give', async () => {
    const agent = await under(ASKER);
    await expect(agent.run()).rejects.toMatchObject({ message: expect.stringContaining('give a fake of owner.ask') as string });
  });
});
