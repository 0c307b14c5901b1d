/** Lists of runs in every order and by several values, counts and histories of runs, and the record of acts by what was done. */
import { expect, test } from 'vitest';
import type { Client } from '@corral/protocol/api/client';
import { allItems } from '@corral/protocol/api/client';
import type { RouteInput } from '@corral/protocol/api/routes';
import { front, HELLO, SLEEP } from '../front.ts';
import { until } from '../until.ts';

const CONFIG = JSON.stringify({ tenants: { crew: {}, zoo: {} } });
const FAILS = `{ name: 'fails', run: async ({ sleep }) => { await sleep(1); throw new Error('as it should'); } }`;

/** Submits a run and waits for its end. */
async function ended(admin: Client, agent: string, tenant: string, input: object = {}) {
  const { run } = await admin.submitRun({ body: { agent, tenant, input: input as never } });
  return admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
}

test('a list is sorted over all that match, page by page, and says how many there are', async () => {
  const { admin, deploy } = await front({ configText: CONFIG });
  await deploy(HELLO, { tenant: 'crew' });
  for (const name of ['A', 'B', 'C', 'D']) await ended(admin, 'hello', 'crew', { name });
  const all = (await admin.listRuns({ query: {} })).items;
  for (const [sort, value] of [
    ['created', ({ created_at }) => created_at],
    ['ended', ({ ended_at }) => ended_at ?? 0],
    ['cpu', ({ cpu_ms }) => cpu_ms],
    ['calls', ({ calls }) => calls],
  ] as const satisfies readonly (readonly [string, (run: (typeof all)[number]) => number])[]) {
    const query = { sort, order: 'asc', limit: 3 } as const;
    const pages = await allItems((at) => admin.listRuns({ query: { ...query, ...at } }));
    expect(pages.map(({ run }) => run).sort()).toEqual(all.map(({ run }) => run).sort());
    expect(pages.map((run) => value(run))).toEqual(all.map((run) => value(run)).sort((a, b) => a - b));
  }
  expect(await admin.listRuns({ query: { total: 'true', limit: 1 } })).toMatchObject({ total: 4, items: [{}] });
  const { next } = await admin.listRuns({ query: { sort: 'cpu', limit: 1 } });
  await expect(admin.listRuns({ query: { sort: 'calls', limit: 1, cursor: next as string } })).rejects.toMatchObject({
    code: 'CORRAL_REQUEST_INVALID',
  });
});

test('what a run in memory has used so far is sorted by, too', async () => {
  const { admin, deploy, host } = await front({ configText: CONFIG });
  await deploy(SLEEP, { tenant: 'crew' });
  await deploy(HELLO, { tenant: 'crew' });
  const { run } = await admin.submitRun({ body: { agent: 'sleeper', tenant: 'crew' } });
  await until(async () => (await admin.showRun({ params: { run } })).waiting === 'timer');
  host.door.projection.writeUse();
  const stored = (await host.door.reads.runs({ limit: 1, sort: 'cpu' })).rows[0];
  expect(stored?.id).toBe(run);
  expect(stored?.cpu_ms).toBeGreaterThan(0);
});

test('one condition may have several values, in a list and in an operation', async () => {
  const { admin, deploy } = await front({ configText: CONFIG });
  for (const tenant of ['crew', 'zoo']) {
    await deploy(HELLO, { tenant });
    await deploy(SLEEP, { tenant });
  }
  const hello = await ended(admin, 'hello', 'crew', { name: 'A' });
  const sleeping = await admin.submitRun({ body: { agent: 'sleeper', tenant: 'zoo' } });
  const list = async (query: NonNullable<RouteInput<'listRuns'>['query']>) => (await admin.listRuns({ query })).items.map(({ run }) => run);
  expect(await list({ agent: ['hello', 'sleeper'] })).toEqual([sleeping.run, hello.run]);
  expect(await list({ agent: ['hello', 'sleeper'], lifecycle: ['ended'] })).toEqual([hello.run]);
  expect(await list({ ended_as: ['completed', 'killed'] })).toEqual([hello.run]);
  expect(await list({ principal: [hello.principal, 'nobody'], tenant: 'crew' })).toEqual([hello.run]);
  expect(await list({ principal: 'nobody' })).toEqual([]);
  expect(await list({ created_from: sleeping.created_at, agent: ['hello', 'sleeper'] })).toContain(sleeping.run);
  expect(await list({ ended_until: (hello.ended_at as number) + 1 })).toEqual([hello.run]);
  await expect(list({ agent: ['hello', 'helo'] })).rejects.toMatchObject({ code: 'CORRAL_AGENT_UNKNOWN' });
});

test('runs are counted by state and agent, and by hour, for those who may see them', async () => {
  const { admin, deploy, as } = await front({ configText: CONFIG });
  await deploy(HELLO, { tenant: 'crew' });
  await deploy(FAILS, { tenant: 'zoo' });
  await deploy(SLEEP, { tenant: 'zoo' });
  const begun = Date.now();
  await ended(admin, 'hello', 'crew', { name: 'A' });
  await ended(admin, 'fails', 'zoo');
  const { run } = await admin.submitRun({ body: { agent: 'sleeper', tenant: 'zoo' } });
  await admin.operate({ body: { operation: 'pause', target: { run }, reason: 'to count it' } });
  const counts = await admin.countRuns({ query: {} });
  expect(counts.states).toEqual({ completed: 1, failed: 1, paused: 1 });
  expect(counts.agents[0]).toEqual({ tenant: 'zoo', agent: 'sleeper', states: { paused: 1 } });
  expect(counts.more).toBe(false);
  expect((await admin.countRuns({ query: { limit: 1 } })).more).toBe(true);
  const { items } = await admin.runHistory({ query: { from: begun } });
  const sum = (of: (span: (typeof items)[number]) => number) => items.reduce((all, span) => all + of(span), 0);
  expect([
    sum(({ admitted }) => admitted),
    sum(({ ended: by }) => by['completed'] ?? 0),
    sum(({ ended: by }) => by['failed'] ?? 0),
  ]).toEqual([3, 1, 1]);
  expect(sum(({ cpu_ms }) => cpu_ms)).toBeGreaterThan(0);
  const days = await admin.runHistory({ query: { by: 'day', from: begun - 7 * 86_400_000 } });
  expect(days.items).toHaveLength(8);
  expect(days.items.every(({ at }) => at % 86_400_000 === 0)).toBe(true);
  await expect(admin.runHistory({ query: { from: 0, until: begun } })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  const crew = await as('crew', 'operator');
  expect((await crew.countRuns({ query: {} })).states).toEqual({ completed: 1 });
  const own = (await crew.runHistory({ query: { from: begun } })).items;
  expect(own.reduce((all, { admitted }) => all + admitted, 0)).toBe(1);
});

test('acts are found by what was done, by whom, to which run and when', async () => {
  const { admin, deploy } = await front({ configText: CONFIG });
  await deploy(SLEEP, { tenant: 'crew' });
  const submit = async () => (await admin.submitRun({ body: { agent: 'sleeper', tenant: 'crew' } })).run;
  const [one, two] = [await submit(), await submit()];
  const paused = await admin.operate({ body: { operation: 'pause', target: { run: one }, reason: 'a look' } });
  await admin.operate({ body: { operation: 'kill', target: { run: two }, reason: `as ${one} does` } });
  const found = async (query: NonNullable<RouteInput<'listOperations'>['query']>) =>
    (await admin.listOperations({ query })).items.map(({ operation }) => operation);
  expect(await found({ run: one })).toEqual(['pause']);
  expect(await found({ operation: ['pause', 'kill'] })).toEqual(['kill', 'pause']);
  expect(await found({ operation: 'kill', by: paused.by })).toEqual(['kill']);
  expect(await found({ by: 'nobody' })).toEqual([]);
  expect(await found({ run: one, until: paused.at })).toEqual([]);
  expect(await found({ run: one, since: paused.at })).toEqual(['pause']);
});

test('a journal is read from its end, before and around an entry, without a gap', async () => {
  const { admin, deploy } = await front({ configText: CONFIG });
  await deploy(`{ name: 'long', run: async ({ sleep }) => { for (let i = 0; i < 9; i++) await sleep(1); } }`, { tenant: 'crew' });
  const { run } = await ended(admin, 'long', 'crew');
  const page = async (query: NonNullable<RouteInput<'runJournal'>['query']>) => {
    const { items, next, previous } = await admin.runJournal({ params: { run }, query });
    return { seqs: items.map(({ seq }) => seq), next, previous };
  };
  const all = await page({});
  const last = all.seqs.length;
  expect(all).toEqual({ seqs: Array.from({ length: last }, (_, i) => i + 1), next: null, previous: null });
  expect(await page({ before: 1_000_000, limit: 3 })).toEqual({ seqs: [last - 2, last - 1, last], next: null, previous: last - 2 });
  expect(await page({ before: last - 2, limit: 3 })).toEqual({ seqs: [last - 5, last - 4, last - 3], next: last - 3, previous: last - 5 });
  expect(await page({ around: 5, limit: 4 })).toEqual({ seqs: [3, 4, 5, 6], next: 6, previous: 3 });
  expect(await page({ around: 1, limit: 4 })).toEqual({ seqs: [1, 2], next: 2, previous: null });
  expect(await page({ after: 4, limit: 2 })).toEqual({ seqs: [5, 6], next: 6, previous: 5 });
  expect(await page({ after: last })).toEqual({ seqs: [], next: null, previous: last + 1 });
  expect(await page({ before: 1 })).toEqual({ seqs: [], next: 0, previous: null });
  expect((await page({ around: 1_000, limit: 1 })).seqs).toEqual([last]);
  await expect(page({ after: 1, before: 4 })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
});
