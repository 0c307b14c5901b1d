import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { rm, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { databaseOf } from '../database.ts';
import { HELLO, SLEEP, asFormat, eventsOf, front, onTables, shortFolder } from '../front.ts';
import { receiver } from '../receiver.ts';
import { until } from '../until.ts';

const KEY = Buffer.from('a key of some length').toString('base64');

test('a webhook is told of an end, signed, and again until it has taken it', async () => {
  const { got, url } = await receiver((n) => (n === 1 ? 500 : 204));
  const { admin, deploy, host } = await front({
    env: { HOOK: `whsec_${KEY}` },
    configText: JSON.stringify({ secrets: { hook: { env: 'HOOK' } }, webhooks: [{ url, secret: 'hook' }] }),
  });
  await deploy(HELLO);
  const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  await until(async () => got.length === 2);
  const [first, second] = got;
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  expect(JSON.parse(second?.body ?? '')).toMatchObject({ type: 'run.ended', data: { run, data: { ended_as: 'completed' } } });
  const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = second?.headers ?? {};
  const expected = createHmac('sha256', Buffer.from(KEY, 'base64')).update(`${id}.${at}.${second?.body}`).digest('base64');
  expect(signature).toBe(`v1,${expected}`);
  await until(async () => onTables(host, 'SELECT * FROM outbox').length === 0);
});

test('what could not be told before a stop is told after the next start', async () => {
  let up = false;
  const { got, url } = await receiver(() => (up ? 200 : 503));
  const options = {
    env: { HOOK: 'plain secret' },
    configText: JSON.stringify({
      secrets: { hook: { env: 'HOOK' } },
      webhooks: [{ url, secret: 'hook', events: ['run.paused', 'run.ended'] }],
    }),
  };
  const first = await front(options);
  await first.deploy(SLEEP);
  const { run } = await first.admin.submitRun({ body: { agent: 'sleeper' } });
  await first.admin.operate({ body: { operation: 'pause', target: { run }, reason: 'look' } });
  await until(async () => got.length >= 1);
  await first.host.close();
  up = true;
  const { length } = got;
  await front({ ...options, data: first.data });
  await until(async () => got.length > length);
  expect(JSON.parse(got.at(-1)?.body ?? '')).toMatchObject({ type: 'run.paused', data: { run, data: { reason: 'look' } } });
});

const signedWith = (secret: string, { headers, body }: { headers: Record<string, string>; body: string }) => {
  const text = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  return headers['webhook-signature'] === `v1,${createHmac('sha256', secret).update(text).digest('base64')}`;
};
const tenantOf = ({ body }: { body: string }) => (JSON.parse(body) as { data: { tenant: string } }).data.tenant;

test('two tenants behind one address are told of their own runs alone, each under its own secret', async () => {
  const { got, url } = await receiver(() => 200);
  const env = { A: 'alpha secret', B: 'beta secret', C: 'gamma secret' };
  const { admin, deploy } = await front({
    env,
    configText: JSON.stringify({
      tenants: { acme: {}, brix: {} },
      secrets: { a: { env: 'A' }, b: { env: 'B' }, c: { env: 'C' } },
      webhooks: [
        { url, secret: 'a', tenant: 'acme' },
        { url, secret: 'b', tenant: 'brix' },
        { url, secret: 'c' },
      ],
    }),
  });
  for (const tenant of ['acme', 'brix']) await deploy(HELLO, { tenant });
  for (const tenant of ['acme', 'brix']) await admin.submitRun({ body: { agent: 'hello', tenant, input: { name: 'A' } } });
  await until(async () => got.length === 4);
  const signers = got.map((one) => `${tenantOf(one)} ${Object.values(env).find((secret) => signedWith(secret, one))}`);
  expect(signers.sort()).toEqual(['acme alpha secret', 'acme gamma secret', 'brix beta secret', 'brix gamma secret']);
});

test('a receiver that hangs and one that fails delay no other, and their queues can be seen and tried again', async () => {
  let mended = false;
  const dead = await receiver(() => (mended ? 200 : undefined));
  const broken = await receiver(() => (mended ? 200 : 500));
  const pager = await receiver(() => 200);
  const made = await front({
    env: { HOOK: 'a secret' },
    configText: JSON.stringify({
      tenants: { own: {}, other: {} },
      secrets: { hook: { env: 'HOOK' } },
      webhooks: [
        { id: 'dead', url: dead.url, secret: 'hook' },
        { id: 'broken', url: broken.url, secret: 'hook', tenant: 'own' },
        { id: 'pager', url: pager.url, secret: 'hook' },
      ],
    }),
  });
  const { admin, deploy } = made;
  await deploy(HELLO, { tenant: 'own' });
  const RUNS = 30;
  const submit = () => admin.submitRun({ body: { agent: 'hello', tenant: 'own', input: { name: 'A' } } });
  for (let i = 0; i < RUNS; i++) await submit();
  await until(async () => pager.got.length === RUNS && broken.got.length > 0);
  // Nothing was delivered to the others meanwhile, and each is asked about one thing at a time once it has failed.
  const state = async () => Object.fromEntries((await admin.listWebhooks({ query: {} })).items.map((one) => [one.hook, one]));
  expect(await state()).toMatchObject({
    dead: { pending: RUNS, given_up: 0, tenant: null },
    broken: { pending: RUNS, tenant: 'own', error: 'it answered 500' },
    pager: { pending: 0, failures: 0, delivered_at: expect.any(Number) as number },
  });
  expect(dead.got.length).toBeLessThanOrEqual(4);
  const operator = await made.as('own', 'operator');
  const stranger = await made.as('other', 'operator');
  expect((await operator.listWebhooks({ query: {} })).items.map(({ hook }) => hook)).toEqual(['broken']);
  expect((await operator.listDeliveries({ query: { limit: 500 } })).items.every(({ hook }) => hook === 'broken')).toBe(true);
  expect((await stranger.listDeliveries({ query: {} })).items).toEqual([]);
  await expect(stranger.retryDeliveries({ body: { hook: 'broken', reason: 'mine' } })).rejects.toMatchObject({ status: 404 });
  await expect(operator.retryDeliveries({ body: { hook: 'dead', reason: 'mine' } })).rejects.toMatchObject({ status: 404 });
  mended = true;
  expect(await operator.retryDeliveries({ body: { hook: 'broken', reason: 'it is back' } })).toEqual({ retried: RUNS });
  await until(async () => (await state())['broken']?.pending === 0);
  const [latest] = (await operator.listDeliveries({ query: { limit: 1 } })).items;
  expect(latest).toMatchObject({ hook: 'broken', kind: 'run.ended', state: 'delivered', error: null });
  expect((await admin.listOperations({ query: {} })).items[0]).toMatchObject({ operation: 'webhook.retry', reason: 'it is back' });
});

test('what nobody took in time is given up: with an event, a line in the log and a record that can be tried again', async () => {
  let up = false;
  const { got, url } = await receiver(() => (up ? 200 : 503));
  const log: string[] = [];
  const logger = Object.assign(
    Object.fromEntries(['fatal', 'error', 'info', 'debug', 'trace', 'silent'].map((level) => [level, () => undefined])),
    { level: 'info', warn: (text: string) => void log.push(text), child: () => logger },
  ) as never;
  const options = {
    env: { HOOK: 'a secret' },
    logger,
    configText: JSON.stringify({ secrets: { hook: { env: 'HOOK' } }, webhooks: [{ id: 'pager', url, secret: 'hook' }] }),
  };
  const first = await front(options);
  await first.deploy(HELLO);
  await first.admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  await until(async () => got.length > 0);
  onTables(first.host, 'UPDATE outbox SET at = 1');
  await first.host.close();
  const second = await front({ ...options, data: first.data });
  const { items } = await second.admin.listDeliveries({ query: { state: 'given_up' } });
  expect(items).toMatchObject([{ hook: 'pager', kind: 'run.ended', state: 'given_up', due: null }]);
  expect(await eventsOf(second.host)).toContainEqual(
    expect.objectContaining({ kind: 'webhook.given_up', data: { hook: 'pager', count: 1, why: 'its time was up' } }),
  );
  expect(log.join('\n')).toMatch(/1 notifications for webhook pager were given up/);
  up = true;
  const { length } = got;
  const body = { delivery: items[0]?.delivery ?? '', reason: 'it is back' };
  expect(await second.admin.retryDeliveries({ body })).toEqual({ retried: 1 });
  await until(async () => got.length > length);
  await until(async () => (await second.admin.listDeliveries({ query: { state: 'given_up' } })).items.length === 0);
});

test('what an older host had queued by address alone goes to the receivers of its tenant', async () => {
  const { got, url } = await receiver(() => 200);
  const config = {
    tenants: { acme: {}, brix: {} },
    secrets: { a: { env: 'A' }, b: { env: 'B' } },
    webhooks: [
      { url, secret: 'a', tenant: 'acme' },
      { url, secret: 'b', tenant: 'brix' },
    ],
  };
  const options = { env: { A: 'alpha secret', B: 'beta secret' }, configText: JSON.stringify(config) };
  const first = await front(options);
  await first.host.close();
  asFormat(first.data, 3);
  const db = databaseOf(first.data, 'front.db');
  const event = { id: '1-1', at: Date.now(), kind: 'run.ended', tenant: 'brix', run: 'run_000000000000', agent: 'hello', data: null };
  const insert = db.prepare('INSERT INTO outbox (id, url, body, at, due) VALUES (?, ?, ?, ?, ?)');
  insert.run('msg_old', url, JSON.stringify({ type: 'run.ended', data: event }), Date.now(), 0);
  db.close();
  await front({ ...options, data: first.data });
  await until(async () => got.length > 0);
  expect(got.map((one) => signedWith('beta secret', one))).toEqual([true]);
});

test('an id that goes over to another tenant takes nothing of the first one along', { tags: 'long' }, async () => {
  const first = await receiver(() => 503);
  const second = await receiver(() => 200);
  const file = join(await shortFolder(), 'corral.config.json');
  const write = (url: string, tenant: string) =>
    writeFile(
      file,
      JSON.stringify({
        tenants: { acme: {}, brix: {} },
        secrets: { hook: { env: 'HOOK' } },
        webhooks: [{ id: 'pager', url, secret: 'hook', tenant }],
      }),
    );
  await write(first.url, 'acme');
  const { admin, as, deploy } = await front({ env: { HOOK: 'a secret' }, config: file });
  for (const tenant of ['acme', 'brix']) await deploy(HELLO, { tenant });
  const submit = (tenant: string) => admin.submitRun({ body: { agent: 'hello', tenant, input: { name: 'A' } } });
  await submit('acme');
  await until(async () => (await admin.listWebhooks({ query: {} })).items[0]?.error === 'it answered 503');

  await write(second.url, 'brix');
  await admin.applyConfig({});
  const operator = await as('brix', 'operator');
  expect((await operator.listWebhooks({ query: {} })).items).toMatchObject([
    { hook: 'pager', tenant: 'brix', pending: 0, given_up: 0, failures: 0, error: null },
  ]);
  expect((await operator.listDeliveries({ query: {} })).items).toEqual([]);
  const [old] = (await admin.listDeliveries({ query: { hook: 'pager' } })).items;
  expect(old).toMatchObject({ hook: 'pager', tenant: 'acme', state: 'given_up' });
  expect(await operator.retryDeliveries({ body: { hook: 'pager', reason: 'all of it' } })).toEqual({ retried: 0 });
  await expect(operator.retryDeliveries({ body: { delivery: old?.delivery ?? '', reason: 'this one' } })).rejects.toMatchObject({
    code: 'CORRAL_WEBHOOK_UNKNOWN',
  });
  await submit('brix');
  await until(async () => (await operator.listWebhooks({ query: {} })).items[0]?.delivered_at !== null);
  expect(second.got.map((one) => tenantOf(one))).toEqual(['brix']);
  expect(first.got.map((one) => tenantOf(one))).not.toContain('brix');

  // The first tenant has its id back under another address: what was given up is still its own.
  await write(second.url, 'acme');
  await admin.applyConfig({});
  const owner = await as('acme', 'operator');
  expect(await owner.retryDeliveries({ body: { hook: 'pager', reason: 'it is ours again' } })).toEqual({ retried: 1 });
  await until(async () => second.got.length === 2);
  expect(tenantOf(second.got[1] as (typeof second.got)[number])).toBe('acme');
});

test('what an older host had queued for an id goes on to the receiver of the same tenant under that id', { tags: 'long' }, async () => {
  const { got, url } = await receiver(() => 200);
  const options = {
    env: { HOOK: 'a secret' },
    configText: JSON.stringify({
      tenants: { acme: {}, brix: {} },
      secrets: { hook: { env: 'HOOK' } },
      webhooks: [{ id: 'pager', url, secret: 'hook', tenant: 'acme' }],
    }),
  };
  const first = await front(options);
  await first.host.close();
  asFormat(first.data, 7);
  const db = databaseOf(first.data, 'front.db');
  const values = (tenant: string, run: string) => {
    const event = { id: `1-${run}`, at: Date.now(), kind: 'run.ended', tenant, run: `run_${run.repeat(12)}`, agent: 'hello', data: null };
    return [`msg_${run}`, 'pager', url, tenant, 'run.ended', JSON.stringify({ type: 'run.ended', data: event }), Date.now()] as const;
  };
  const insert = db.prepare('INSERT INTO outbox (id, hook, url, tenant, kind, body, at, due, error) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)');
  for (const [tenant, run] of [
    ['acme', '0'],
    ['brix', '1'],
  ] as const)
    insert.run(...values(tenant, run), 'ENOENT /srv/key');
  const giveUp = db.prepare(
    `INSERT INTO deliveries (n, id, hook, url, tenant, kind, body, at, attempts, state, ended_at, error)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 'given_up', ?, ?)`,
  );
  for (const [n, tenant, run] of [
    [100, 'acme', '2'],
    [101, 'brix', '3'],
  ] as const)
    giveUp.run(n, ...values(tenant, run), Date.now(), 'connect ECONNREFUSED 10.0.0.3:443');
  db.close();
  const second = await front({ ...options, data: first.data });
  await until(async () => got.length > 0);
  const owner = await second.as('acme', 'operator');
  expect(await owner.retryDeliveries({ body: { hook: 'pager', reason: 'all of it' } })).toEqual({ retried: 1 });
  await until(async () => got.length > 1);
  await until(async () => (await owner.listWebhooks({ query: {} })).items[0]?.pending === 0);
  expect(got.map((one) => tenantOf(one))).toEqual(['acme', 'acme']);
  expect(JSON.stringify(await second.admin.listDeliveries({ query: {} }))).not.toMatch(/srv|10\.0\.0/);
});

test('tenants behind one receiver take turns: what one has queued delays another by one each', async () => {
  let up = false;
  const { got, url } = await receiver(() => (up ? 200 : 503));
  const { admin, deploy, host } = await front({
    env: { HOOK: 'a secret' },
    configText: JSON.stringify({
      tenants: { loud: {}, quiet: {} },
      secrets: { hook: { env: 'HOOK' } },
      webhooks: [{ id: 'pager', url, secret: 'hook' }],
    }),
  });
  for (const tenant of ['loud', 'quiet']) await deploy(HELLO, { tenant });
  const RUNS = 20;
  for (let i = 0; i < RUNS; i++) await admin.submitRun({ body: { agent: 'hello', tenant: 'loud', input: { name: 'A' } } });
  const pending = async () => (await admin.listWebhooks({ query: {} })).items[0]?.pending;
  await until(async () => (await pending()) === RUNS);
  await admin.submitRun({ body: { agent: 'hello', tenant: 'quiet', input: { name: 'A' } } });
  await until(async () => (await pending()) === RUNS + 1);
  // One that is under way now may still fail.
  await until(async () => host.door.outbox.stateOf('pager').failures > 0);
  up = true;
  const before = got.length;
  await admin.retryDeliveries({ body: { hook: 'pager', reason: 'it is back' } });
  await until(async () => (await pending()) === 0);
  const order = got.slice(before).map((one) => tenantOf(one));
  // The first of each, and as many as were on their way at once.
  expect(order.indexOf('quiet')).toBeLessThan(6);
});

async function closedPort() {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('why a webhook was not told is said in words that show nothing of the machine; the log of the host has the rest', async () => {
  const folder = await shortFolder();
  const key = join(folder, 'key');
  await writeFile(key, 'a secret');
  const dead = await receiver(() => 200);
  const port = await closedPort();
  const log: string[] = [];
  const logger = Object.assign(
    Object.fromEntries(['fatal', 'error', 'info', 'debug', 'trace', 'silent'].map((level) => [level, () => undefined])),
    { level: 'info', warn: (text: string) => void log.push(text), child: () => logger },
  ) as never;
  const { admin, deploy } = await front({
    env: { HOOK: 'a secret' },
    logger,
    configText: JSON.stringify({
      tenants: { local: {} },
      secrets: { kept: { file: key }, hook: { env: 'HOOK' } },
      webhooks: [
        { id: 'keyless', url: dead.url, secret: 'kept', tenant: 'local' },
        { id: 'closed', url: `http://127.0.0.1:${port}/hook`, secret: 'hook', tenant: 'local' },
        { id: 'nowhere', url: 'https://receiver.invalid/hook', secret: 'hook', tenant: 'local' },
      ],
    }),
  });
  await deploy(HELLO);
  await rm(key);
  await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  const errors = async () => Object.fromEntries((await admin.listWebhooks({ query: {} })).items.map(({ hook, error }) => [hook, error]));
  await until(async () => Object.values(await errors()).every((error) => error !== null));
  expect(await errors()).toEqual({
    keyless: 'the secret that signs cannot be read',
    closed: 'the address refuses connections',
    nowhere: 'the name of the address is not known',
  });
  expect(log.join('\n')).toContain(key);
});
