/** The health of a host as its API says it: nodes, cells with their runs, the queue with who holds its places, breakers, and deliveries to webhooks. */
import { beforeAll, expect, test } from 'vitest';
import type { RouteAnswer } from '@corral/protocol/api/routes';
import { corral } from '../command.ts';
import { sharedFront } from '../front.ts';
import { found, until } from '../until.ts';

const TOOLS = `import { defineConfig, tool } from '@corral/server/config';
import * as z from 'zod';
const one = (name, timeout_ms, idempotent) => tool({ name, description: name, input: z.object({ n: z.number() }), output: z.string(),
  timeout_ms, annotations: { readOnly: false, idempotent, destructive: false, returns: 'trusted' }, run: () => new Promise(() => {}) });
export default defineConfig({
  policies: 'none',
  tools: [one('phone', 600_000, false), one('broken', 20, true)],
  tenants: { local: { residents: 2, cells: 1 }, other: {} },
});`;
const CALLER = `{ name: 'caller', uses: { phone: 'tool:phone' }, run: ({ caps }) => caps.phone({ n: 1 }) }`;
const TRIES = `{ name: 'tries', uses: { broken: 'tool:broken' }, async run({ caps }) {
  for (let n = 0; n < 2; n++) await caps.broken({ n }).catch(() => undefined);
} }`;

const shared = sharedFront({ configCode: TOOLS });
let held: string[];
let queued: string[];

beforeAll(async () => {
  const { admin, deploy } = shared();
  await deploy(CALLER, { tenant: 'local' });
  await deploy(TRIES, { tenant: 'other' });
  const submit = async () => (await admin.submitRun({ body: { agent: 'caller', tenant: 'local' } })).run;
  held = [await submit(), await submit()];
  // They wait for a call, so they cannot be parked.
  for (const run of held) await until(async () => (await admin.showRun({ params: { run: run as never } })).open_calls === 1);
  queued = [await submit(), await submit(), await submit()];
});

test('the queue says since when each run waits, at which place and why, and which runs have the places', async () => {
  const { admin } = shared();
  const first = await admin.showQueue({ query: { limit: 2 } });
  expect(first.items.map(({ run, position }) => [run, position])).toEqual(queued.slice(0, 2).map((run, i) => [run, i + 1]));
  expect(first.items[0]?.why).toBe('it waits in the store: all 2 places in memory of its tenant are taken');
  const rest = await admin.showQueue({ query: { limit: 2, cursor: first.next as string } });
  expect(rest).toMatchObject({ items: [{ run: queued[2], position: 3 }], next: null });
  const [tenant] = first.tenants;
  expect(tenant).toMatchObject({ tenant: 'local', queued: 3, residents: 2, residents_most: 2, cells: 1, cells_most: 1 });
  expect(tenant?.oldest).toBe(first.items[0]?.since);
  expect(tenant?.holders.map(({ run }) => run).toSorted()).toEqual(held.toSorted());
  expect(tenant?.holders[0]).toMatchObject({ agent: 'caller', on_cpu: false, waiting: 'call', waiting_for: 'tool:phone' });
});

test('cells are listed with their runs, CPU time and memory, to a tenant its own without the ids of processes', async () => {
  const { admin, as } = shared();
  const { items } = await admin.listCells({ query: { run: held[0] as never } });
  expect(items).toHaveLength(1);
  expect(items[0]).toMatchObject({ tenant: 'local', state: 'idle', on_cpu: null, run_count: 2 });
  expect(items[0]?.runs.toSorted()).toEqual(held.toSorted() as never);
  expect(items[0]?.pid).toBeGreaterThan(0);
  expect(items[0]?.cpu_ms).toBeGreaterThan(0);
  expect(items[0]?.memory_mib).toBeGreaterThan(0);
  const own = (await (await as('local', 'developer')).listCells({})).items;
  expect(own.map(({ tenant, pid }) => [tenant, pid])).toEqual([['local', null]]);
  const others = await as('other', 'operator');
  await expect(others.listCells({ query: { run: held[0] as never } })).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
  expect((await others.showQueue({})).items).toEqual([]);
});

test('nodes are listed to people of the whole host', async () => {
  const { admin, as } = shared();
  const { items } = await admin.listNodes({});
  expect(items).toMatchObject([{ here: true, alive: true, lease_until: null }]);
  expect(items[0]?.runs).toBeGreaterThanOrEqual(2);
  await expect((await as('local', 'operator')).listNodes({})).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
});

test('a breaker that has opened says since when, until when and why', async () => {
  const { admin, as } = shared();
  // A run that meets the same error again and again is paused, so several meet it.
  for (let i = 0; i < 6; i++) await admin.submitRun({ body: { agent: 'tries', tenant: 'other' } });
  type One = RouteAnswer<'listBreakers'>['items'][number];
  const breaker: One = await found(
    async () => (await admin.listBreakers({})).items.find(({ kind }) => kind === 'tool'),
    'a breaker is open',
  );
  expect(breaker).toMatchObject({
    tenant: 'other',
    name: 'broken',
    state: 'open',
    why: expect.stringMatching(/^\d+ of its last \d+ calls got no answer/),
  });
  expect(breaker.since).toBeLessThan(breaker.until);
  expect(Math.abs((breaker.since ?? 0) - Date.now())).toBeLessThan(600_000);
  expect((await (await as('local', 'operator')).listBreakers({})).items).toEqual([]);
});

test('the command shows all of it on one screen, and each part as JSON', async () => {
  const { data } = shared();
  const { out } = await corral(['health', '--data', data]);
  for (const text of ['takes work', 'NODE', 'CELL', 'POSITION', queued[0] ?? '', 'places in memory']) expect(out).toContain(text);
  const json = JSON.parse((await corral(['health', '--json', '--data', data])).out) as Record<string, unknown>;
  expect(Object.keys(json)).toEqual(['ready', 'nodes', 'cells', 'queue', 'breakers', 'webhooks']);
});
