/** `why` says of runs that wait what they wait for, however many others there are, and of those that ended what was denied or unusual. */
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { freezeCells } from '../frozen.ts';
import { front, HELLO, shortFolder, SLEEP } from '../front.ts';
import { until } from '../until.ts';

const LINUX = process.platform === 'linux';
const NO_PLACE = 'It waits in the store for a place in memory; its tenant or the host has none free.';
const ITS_TURN = 'It has something to process, and waits for its turn in a cell.';

const WRITER = `{ name: 'writer', uses: { write: 'tool:fs.write' }, run: ({ caps }) =>
  caps.write({ path: 'a.txt', text: 'x' }).then(() => 'written', (error) => error.code) }`;

test.skipIf(!LINUX)('a run that has not begun is told apart: no place in memory, or no cell', async () => {
  const { admin, deploy } = await front({ configText: JSON.stringify({ tenants: { crew: { residents: 1 }, zoo: {} } }) });
  for (const tenant of ['crew', 'zoo']) await deploy(HELLO, { tenant });
  await deploy(SLEEP, { tenant: 'crew' });
  const why = async (run: string) => (await admin.whyRun({ params: { run: run as never } })).because;
  const thaw = freezeCells();
  const submit = async (tenant: string) => (await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' }, tenant } })).run;
  const first = await submit('crew');
  const second = await submit('crew');
  const other = await submit('zoo');
  expect(await why(second)).toContain(NO_PLACE);
  // Nobody of its tenant is before it, and nobody says so.
  const said = await why(other);
  expect(said).not.toContain(NO_PLACE);
  expect(said.join(' ')).not.toMatch(/tenant/);
  thaw();
  for (const run of [first, second, other])
    expect(await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({ ended_as: 'completed' });
});

test.skipIf(!LINUX)('a run whose call was answered waits for a cell, and not for the answer', { tags: 'long' }, async () => {
  const write = await shortFolder();
  const { admin, deploy, as } = await front({
    configText: JSON.stringify({ policies: 'default', files: { write }, tenants: { local: { cells: 1 } } }),
  });
  await deploy(WRITER);
  await deploy(HELLO);
  const { run } = await admin.submitRun({ body: { agent: 'writer' } });
  await until(async () => (await admin.listApprovals({})).items.length === 1);
  const [approval] = (await admin.listApprovals({})).items;
  const approver = await as('local', 'approver');
  const thaw = freezeCells();
  // It has the cell to itself, and stands still there.
  await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  await approver.decideApproval({ params: { run, call: approval?.call ?? 0 }, body: { verdict: 'approve', reason: 'looked' } });
  const because = async () => (await admin.whyRun({ params: { run } })).because;
  await until(async () => (await because()).includes(ITS_TURN));
  expect((await because()).join(' ')).not.toMatch(/has no answer/);
  thaw();
  expect(await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({ ended_as: 'completed' });
});

test('a run that sleeps beside its children does not say that it waits for them', async () => {
  const { admin, deploy } = await front();
  await deploy(agentFile('family/sleeps-beside'));
  const { run } = await admin.submitRun({ body: { agent: 'beside' } });
  await until(async () => (await admin.showRun({ params: { run } })).waiting === 'child');
  expect((await admin.showRun({ params: { run } })).waiting_for).toBe('a timer or 2 children');
  expect((await admin.whyRun({ params: { run } })).because).toContain('It goes on when a timer is due or a child ends; it has 2 children.');
});

test('a parent whose child was denied says so, though there is no run that tells of it', async () => {
  const { admin, deploy } = await front();
  await deploy(`import { defineAgent } from '@corral/guest';
const child = defineAgent({ name: 'p/child', run: () => 1 });
export default defineAgent({ name: 'p', spawns: { child }, ceilings: { spawn_depth: 0 },
  run: ({ spawn }) => spawn(child, {}).ended.then((end) => end.kind) });`);
  const { run } = await admin.submitRun({ body: { agent: 'p' } });
  expect(await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({ outcome: { output: 'denied' } });
  expect((await admin.whyRun({ params: { run } })).because.join('\n')).toMatch(
    /^Spawn \d+ of p\/child was denied: CORRAL_BUDGET_EXCEEDED /mu,
  );
});

test('an amount counts as above history only once there is a history', async () => {
  const configCode = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
export default defineConfig({ policies: 'default', risk: { 'bank.*': { ask: 1 } }, tools: [
  tool({ name: 'bank.pay', description: 'Pays.', input: z.object({ amount: z.number() }), output: z.unknown(), annotations: { money: 'amount' }, run: () => 1 }),
] });`;
  const { admin, deploy, as } = await front({ configCode });
  const approver = await as('local', 'approver');
  await deploy(`{ name: 'payer', uses: { pay: 'tool:bank.pay' }, run: ({ input, caps }) => caps.pay({ amount: input.amount }) }`);
  const unusual = async (amount: number) => {
    const { run } = await admin.submitRun({ body: { agent: 'payer', input: { amount } } });
    await until(async () => (await admin.listApprovals({})).items.length === 1, 'it waits for people');
    const [asked] = (await admin.listApprovals({})).items;
    await approver.decideApproval({ params: { run, call: asked?.call ?? 0 }, body: { verdict: 'approve', reason: 'looked' } });
    expect(await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({ ended_as: 'completed' });
    return asked?.unusual;
  };
  const first = await unusual(5);
  expect(first).toContain('first_use_of_tool');
  expect(first).not.toContain('amount_above_history');
  expect(await unusual(50)).toContain('amount_above_history');
  expect(await unusual(20)).not.toContain('amount_above_history');
});
