/** Budgets and narrowed grants through the front door, and at the command line. */
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { corral } from '../command.ts';
import { asFormat, front, shortFolder } from '../front.ts';
import { until } from '../until.ts';
import { startHost } from '@corral/server/host';
import { agentFile } from '../agents/file.ts';

const ANSWER = agentFile('crew/says-its-budget');

test('a submit says what a run may spend and narrows what it may do; authority and show tell it', async () => {
  const write = await shortFolder();
  const { admin, deploy, data } = await front({ configText: JSON.stringify({ policies: 'none', files: { write } }) });
  await deploy(ANSWER);
  const narrow = ['--grant', 'write:uses=1,where.path.under=out,expires_in_ms=3600000', '--budget', 'money=2.5,tokens=9'];
  const said = await corral(['submit', 'a', ...narrow, '--data', data, '--json', '--wait']);
  const { run, outcome } = JSON.parse(said.out) as { run: `run_${string}`; outcome: { output: unknown } };
  expect(outcome.output).toEqual([2_500_000, 9, 'ok', 'CORRAL_GRANT_SPENT']);
  const authority = (await corral(['authority', run, '--data', data])).out;
  expect(authority).toMatch(/path \{"under":"out"\}; 0 of 1 uses left; until 20/);
  expect(authority).toContain(
    'may spend 1:00 min of CPU, 10000 calls, 10000 messages, 268435456 bytes, 1000 children, 9 tokens, 2.50 money',
  );
  expect((await admin.showRun({ params: { run } })).budget).toMatchObject({ money_micros: 2_500_000, tokens: 9 });
  for (const [grant, message] of [
    ['pay:uses=1', 'a uses no capability called pay; it uses write.'],
    ['write:use=1', 'has no term use'],
  ] as const) {
    const refused = await corral(['submit', 'a', '--grant', grant, '--data', data]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining(message)]);
  }
  await expect(admin.submitRun({ body: { agent: 'a', grants: { write: { uses: -1 } } } })).rejects.toMatchObject({
    code: 'CORRAL_REQUEST_INVALID',
  });
});

test('the same key with another narrowing is another request', async () => {
  const { admin, deploy } = await front({ configText: JSON.stringify({ policies: 'none', files: { write: await shortFolder() } }) });
  await deploy(ANSWER);
  const submit = (uses: number) =>
    admin.submitRun({ body: { agent: 'a', grants: { write: { uses } } }, headers: { 'idempotency-key': 'k' } });
  const first = await submit(1);
  expect((await submit(1)).run).toBe(first.run);
  await expect(submit(2)).rejects.toMatchObject({ code: 'CORRAL_IDEMPOTENCY_MISMATCH' });
});

test('a host and a tenant bound what a run may spend, whoever asks', async () => {
  const config = {
    policies: 'none',
    files: { write: await shortFolder() },
    budget: { money_micros: 5_000_000 },
    tenants: { local: { budget: { tokens: 100 } }, other: {} },
  };
  const { admin, deploy } = await front({ configText: JSON.stringify(config) });
  await deploy(ANSWER, { tenant: 'local' });
  await deploy(ANSWER, { tenant: 'other' });
  const budgetOf = async (tenant: string, budget = {}) => {
    const { run } = await admin.submitRun({ body: { tenant, agent: 'a', budget } });
    return (await admin.showRun({ params: { run } })).budget;
  };
  expect(await budgetOf('local')).toMatchObject({ money_micros: 5_000_000, tokens: 100 });
  expect(await budgetOf('other')).toMatchObject({ money_micros: 5_000_000, tokens: 10_000_000 });
  expect(await budgetOf('local', { money_micros: 1, tokens: 100 })).toMatchObject({ money_micros: 1, tokens: 100 });
  await expect(budgetOf('local', { tokens: 101 })).rejects.toMatchObject({
    code: 'CORRAL_REQUEST_INVALID',
    message: 'budget.tokens is 101; this host allows local at most 100.',
  });
  await expect(budgetOf('other', { money_micros: 5_000_001 })).rejects.toThrow(
    '5000001 (5.000001); this host allows other at most 5000000 (5.00)',
  );
});

test('what runs spent is in the list, also of those from before there was money', { tags: 'long' }, async () => {
  const folder = await shortFolder();
  const config = join(folder, 'corral.config.ts');
  const tools = `import * as z from 'zod';
    import { defineConfig, tool } from '@corral/server/config';
    export default defineConfig({ policies: 'none', tools: [tool({ name: 'pay', description: 'pays', input: z.object({ amount: z.number() }), output: z.null(),
      annotations: { money: 'amount' }, run: () => null })] });`;
  await writeFile(config, tools);
  const first = await front({ config });
  await first.deploy(`{ name: 'payer', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({ amount: 1.25 }) }`);
  const { run } = await first.admin.submitRun({ body: { agent: 'payer' } });
  await until(async () => (await first.admin.showRun({ params: { run } })).ended_as === 'completed');
  expect((await first.admin.listRuns({ query: {} })).items).toMatchObject([{ run, money_micros: 1_250_000, tokens: 0 }]);
  expect((await first.admin.runCalls({ params: { run } })).items).toMatchObject([{ cost: { money_micros: 1_250_000, tokens: 0 } }]);
  const shown = await corral(['ps', '--all', '--data', first.data]);
  expect(shown.out).toContain('1.25 money');
  await first.host.close(2_000);
  // As a host left it that knew of no money.
  asFormat(first.data, 1);
  const second = await startHost({ data: first.data, port: 0, env: process.env, config, oneWall: true });
  const again = await corral(['ps', '--all', '--data', first.data, '--json']);
  expect(JSON.parse(again.out)).toMatchObject({ items: [{ run, money_micros: 0, tokens: 0, calls: 1 }] });
  await second.close(2_000);
});
