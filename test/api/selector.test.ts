import { expect, test } from 'vitest';
import { front, HELLO, SLEEP } from '../front.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

const PARENT = agentFile('family/waits-for-ever');

test('runs are found by what they wait for, in memory and parked', async () => {
  const { admin, deploy } = await front({ configText: JSON.stringify({ limits: { park_after_ms: 500 } }) });
  await deploy(PARENT);
  await deploy(HELLO);
  const parent = await admin.submitRun({ body: { agent: 'parent' } });
  const done = await admin.submitRun({ body: { agent: 'hello', input: { name: 'Ada' } } });
  await admin.showRun({ params: { run: done.run }, query: { wait_ms: 60_000 } });
  const waitingOn = async (waiting: 'timer' | 'child' | 'resolution' | 'nothing') =>
    (await admin.listRuns({ query: { waiting } })).items.map(({ agent }) => agent);
  await until(async () => (await waitingOn('timer')).length === 1 && (await waitingOn('child')).length === 1);
  expect(await waitingOn('timer')).toEqual(['child']);
  expect(await waitingOn('child')).toEqual(['parent']);
  expect(await waitingOn('resolution')).toEqual([]);
  expect(await waitingOn('nothing')).toEqual([]);
  // A run that waits for long leaves memory; then the store alone knows what it waits for.
  await until(async () => (await admin.showRun({ params: { run: parent.run } })).residency === 'parked');
  expect(await waitingOn('child')).toEqual(['parent']);
  expect((await admin.listRuns({ query: { waiting: 'child', agent: 'hello' } })).items).toEqual([]);
});

test('runs are found by how long ago they were submitted, and by when they were under way', async () => {
  const { admin, deploy } = await front();
  await deploy(HELLO);
  await deploy(SLEEP);
  const first = await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  const ended = await admin.showRun({ params: { run: first.run }, query: { wait_ms: 60_000 } });
  const { ended_at } = ended;
  if (ended_at === null) throw new Error('it has not ended');
  await until(async () => Date.now() > ended_at);
  const second = await admin.submitRun({ body: { agent: 'sleeper' } });
  const list = async (query: { since?: number; until?: number; older_than_ms?: number; live?: string }) =>
    (await admin.listRuns({ query })).items.map(({ run }) => run);
  expect(await list({ since: ended_at + 1 })).toEqual([second.run]);
  expect(await list({ until: second.created_at })).toEqual([first.run]);
  expect(await list({ since: first.created_at, until: second.created_at + 1 })).toEqual([second.run, first.run]);
  expect(await list({ since: ended_at + 1, until: second.created_at })).toEqual([]);
  expect(await list({ older_than_ms: 3_600_000 })).toEqual([]);
  await until(async () => Date.now() >= second.created_at + 5);
  expect(await list({ older_than_ms: 5 })).toEqual([second.run, first.run]);
});

test('a name that nothing has is an error and not an empty answer', async () => {
  const { admin, deploy } = await front({ configText: JSON.stringify({ tenants: { acme: {}, brix: {} } }) });
  await deploy(HELLO, { tenant: 'acme' });
  const version = `sha256:${'0'.repeat(64)}` as never;
  const operate = (target: object) => admin.operate({ body: { operation: 'kill', target: target as never, reason: 'test', dryRun: true } });
  await expect(operate({ agent: 'helo' })).rejects.toMatchObject({
    code: 'CORRAL_AGENT_UNKNOWN',
    message: expect.stringContaining('Did you mean hello?'),
  });
  await expect(operate({ agent: 'hello', tenant: 'brix' })).rejects.toMatchObject({ code: 'CORRAL_AGENT_UNKNOWN' });
  await expect(operate({ version })).rejects.toMatchObject({ code: 'CORRAL_VERSION_UNKNOWN' });
  await expect(operate({ tenant: 'acmee' })).rejects.toMatchObject({
    code: 'CORRAL_TENANT_UNKNOWN',
    message: expect.stringContaining('Did you mean acme?'),
  });
  expect(await operate({ agent: 'hello' })).toMatchObject({ matched: [] });
  await expect(admin.listRuns({ query: { agent: 'nosuch' } })).rejects.toMatchObject({ code: 'CORRAL_AGENT_UNKNOWN' });
  await expect(admin.listRuns({ query: { tenant: 'nosuch' } })).rejects.toMatchObject({ code: 'CORRAL_TENANT_UNKNOWN' });
  await expect(admin.listAgents({ query: { tenant: 'nosuch' } })).rejects.toMatchObject({ code: 'CORRAL_TENANT_UNKNOWN' });
});
