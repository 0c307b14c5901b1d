/** Services that mean harm, or come to it: endless chains, keys out of hostile texts, ends as a channel, what an end must not lose. */
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import * as z from 'zod';
import type { RunId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import { SqliteStore } from '@corral/store/sqlite';
import { instanceId } from '@corral/supervisor/admission/services';
import { databaseOf } from '../database.ts';
import { temporary, world, type World } from '../world.ts';
import { bus, done, forget, made, READS, TOOLS } from './flowing.ts';
import { until } from '../until.ts';
import { eachOrLong } from '../tables.ts';

beforeEach(forget);

const note = made('note', z.object({ v: z.unknown() }), { ...READS, returns: 'trusted' }, ({ v }) => v);
const tools = [...TOOLS, note];
const HEAD = `import { defineAgent, defineService, handler } from '@corral/guest'; import * as z from 'zod/mini'; const any = z.any();`;
const on = (name: string, body: string) =>
  `${name}: handler({ message: any, reply: any }, async ({ message, state, caps, key, open, spawn, mailbox }) => { ${body} }),`;
const service = (handlers: string, uses = '', more = '') =>
  `${HEAD} ${more.startsWith('const') ? more : ''} const svc = defineService({ name: 'svc', purpose: 'x', uses: { ${uses} }, key: z.string(), state: any, initial: { v: 0 }, ${more.startsWith('const') ? `spawns: { kid },` : more} on: { ${handlers} } });`;
const main = (body: string, name = 'main', uses = '') =>
  `export default defineAgent({ name: '${name}', uses: { svc: 'service:svc' ${uses} }, services: { svc }, async run({ input, caps, checkpoint, sleep, state }) { if (state) return state; ${body} } });`;
const ASKS = main(
  `const out = []; for (const on of input.on) out.push(await caps.svc({ key: 'a', on }).catch((e) => e.code + ': ' + e.message)); return out;`,
);
const COUNTS = service(on('add', `state.v += 1; return state.v;`) + on('hang', `return new Promise(() => {});`));
const asks = async (w: World, version: Parameters<World['submit']>[0], ...handlers: string[]) =>
  ((await (await w.submit(version, { on: handlers })).ended) as { output?: unknown }).output;
const instance = async (w: World, key = 'a') => (await w.store.instance(instanceId('crew', 'svc', key))) as RunId;
const labels = async (w: World, run: RunId) =>
  (await w.store.journal(run)).flatMap(({ event }) =>
    event?.kind === 'checkpoint' ? [(event.ledger as { label?: { influenced_by: string[] } }).label?.influenced_by] : [],
  );

test('how an instance ended says nothing that it chose, and brings what it knew', async () => {
  const w = await bus(tools);
  const says = `await caps.hr({}); corral.effect({ kind: 'finish', error: { code: 'CORRAL_REVOKED', message: 'secret' } }); await new Promise(() => {});`;
  const source =
    service(on('go', says), `hr: 'tool:hr.read'`) +
    main(`const said = await caps.svc({ key: 'a', on: 'go' }).catch((e) => e.code + ': ' + e.message); await checkpoint({ said });`);
  const { id, ended } = await w.submit(await w.deploy(source));
  expect(await ended).toMatchObject({
    output: { said: 'CORRAL_RECIPIENT_ENDED: The run ended before it replied (failed); its effects for the request are not undone.' },
  });
  expect(await labels(w, id)).toEqual([['hr.read']]);
});

eachOrLong([['its own next turn'], ['its own mailbox'], ['a child of each turn']], ['its own mailbox', 'a child of each turn'])(
  'a service that writes to itself from %s comes to an end',
  async (how) => {
    const w = await bus(tools);
    const most = MACHINE.service_depth.default;
    const kid = `const kid = defineAgent({ name: 'kid', uses: { me: 'service:svc' }, run: async ({ input, caps }) => caps.me(input, { timeout_ms: 1 }).catch((e) => e.limit ?? null) });`;
    const byChild = how.includes('child');
    const next = `{ key, on: 'go', message: message + 1 }`;
    const over = `async (e) => { if (e.limit === 'service_depth') await caps.note({ v: 'over' }); }`;
    const again = byChild
      ? `const end = await spawn(kid, ${next}, { caps: { me: caps.me }, budget: { calls: 2, messages: 2 } }).ended; if (end.output === 'service_depth') await caps.note({ v: 'over' });`
      : how.includes('mailbox')
        ? `await mailbox.send(${next}).catch(${over});`
        : `await caps.me(${next}, { timeout_ms: 1 }).catch(${over});`;
    const source =
      service(on('go', `await caps.note({ v: message }); ${again} return 1;`), `note: 'tool:note', me: 'service:svc'`, byChild ? kid : '') +
      main(`await caps.svc({ key: 'a', on: 'go', message: 1 }); return 1;`);
    const { ended } = await w.submit(await w.deploy(source));
    await ended;
    await until(() => done.some(({ input }) => input['v'] === 'over'));
    expect(done.filter(({ tool }) => tool === 'note').map(({ input }) => input['v'])).toEqual([
      ...Array.from({ length: most }, (_, i) => i + 1),
      'over',
    ]);
  },
);

test('who asks a service many times, one after the other, makes no long chain', { tags: 'long' }, async () => {
  const w = await world();
  const version = await w.deploy(COUNTS + ASKS);
  const many = 2 * MACHINE.service_depth.default;
  expect(((await asks(w, version, ...Array.from({ length: many }, () => 'add'))) as number[]).at(-1)).toBe(many);
});

test('a new instance knows from its first crank on what its key was made of', async () => {
  const w = await bus(tools);
  const version = await w.deploy(
    service(on('go', `return 7;`)) +
      main(`const { text } = await caps.mail({}); return caps.svc({ key: text, on: 'go' });`, 'main', `, mail: 'tool:mail.read'`),
  );
  expect(await (await w.submit(version)).ended).toMatchObject({ output: 7 });
  const made = (await w.store.runs({ limit: 9 })).find(({ record }) => record.service !== undefined);
  expect(made?.record.label?.influenced_by).toEqual(['mail.read']);
  expect(made?.record).toMatchObject({ depth: 1, hops: 1 });
  // The checkpoint that it makes before anybody has said anything.
  expect((await labels(w, made?.record.id as RunId))[0]).toEqual(['mail.read']);
});

test(
  'what an ended instance had kept outlives the retention of its journal, until another has taken it over',
  { tags: 'long' },
  async () => {
    const store = await SqliteStore.open(join(await temporary(), 'data'), { retention_ms: { crew: 0 } });
    const w = await world([], { store });
    const version = await w.deploy(COUNTS + ASKS);
    await asks(w, version, 'add', 'add', 'hang');
    const last = (await store.instance(instanceId('crew', 'svc', 'a'))) as RunId;
    const collect = () => store.gc(Date.now() + 1000);
    expect((await collect()).entries).toBeGreaterThan(0);
    await expect(store.journal(last)).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_PRUNED' });
    expect(await collect()).toMatchObject({ entries: 0 });
    expect(await asks(w, version, 'add')).toEqual([3]);
    expect(await collect()).toMatchObject({ runs: expect.any(Number) });
    await expect(store.journal(last, ((await store.run(last))?.checkpoint ?? 0) - 1)).rejects.toMatchObject({
      code: 'CORRAL_JOURNAL_PRUNED',
    });
  },
);

test('an instance whose kept state was changed on disk is not begun anew behind its callers’ backs', async () => {
  const folder = await temporary();
  const w = await world([], { folder });
  const version = await w.deploy(COUNTS + ASKS);
  await asks(w, version, 'add', 'hang');
  const last = await instance(w);
  const db = databaseOf(join(folder, 'data'));
  db.prepare(
    'UPDATE journal SET body = zeroblob(length(body)) WHERE seq = (SELECT checkpoint FROM runs WHERE id = ?1) AND run = (SELECT n FROM runs WHERE id = ?1)',
  ).run(last);
  db.close();
  expect(await asks(w, version, 'add', 'add')).toEqual([
    expect.stringContaining(`CORRAL_JOURNAL_DAMAGED: The state that the instance kept is damaged; a person must look at ${last}.`),
    expect.stringContaining('CORRAL_JOURNAL_DAMAGED'),
  ]);
  expect((await w.store.run(last))?.status.control).toBe('quarantined');
  await w.store.erase(last, Date.now());
  expect(await asks(w, version, 'add')).toEqual([1]);
});

test('handles in the state of an instance are there for the one that goes on from it, and for the one after that', async () => {
  const w = await bus(tools);
  const handlers =
    on('keep', `state.h = await caps.mail.handle({}); return 1;`) +
    on('hang', `return new Promise(() => {});`) +
    on('show', `return (await open(state.h)).amount;`);
  const version = await w.deploy(service(handlers, `mail: 'tool:mail.read'`) + ASKS);
  const ended = expect.stringContaining('CORRAL_RECIPIENT_ENDED');
  expect(await asks(w, version, 'keep', 'show', 'hang', 'hang', 'show')).toEqual([1, 7, ended, ended, 7]);
});

test('another bundle does not take over a service, and what its instances have kept', async () => {
  const folder = await temporary();
  const w = await world([], { folder });
  const version = await w.deploy(COUNTS + ASKS);
  await asks(w, version, 'add');
  const thief = service(on('add', `return state;`)) + main('return 1;', 'thief');
  const taken = {
    code: 'CORRAL_SERVICE_TAKEN',
    message: 'The service svc of crew came with main, and thief would replace it. Deploy it with main, or give yours another name.',
  };
  await expect(w.deploy(thief)).rejects.toMatchObject(taken);
  // The owner of an instance in one tenant has no say in another.
  await w.deploy(thief, 'zoo');
  await w.close();
  const next = await world([], { folder });
  await expect(next.deploy(thief)).rejects.toMatchObject(taken);
  const newer = await next.deploy(COUNTS.replace('state.v += 1', 'state.v += 10') + ASKS);
  expect(await asks(next, newer, 'add')).toEqual([2]);
});

test('a service has so many instances alive and not one more; one that has ended makes room', async () => {
  const folder = await temporary();
  const w = await world([], { folder });
  const version = await w.deploy(
    COUNTS + main(`return Promise.all(input.keys.map((key) => caps.svc({ key, on: 'add' }).catch((e) => e.limit + ': ' + e.message)));`),
  );
  const run = async (...keys: string[]) => ((await (await w.submit(version, { keys })).ended) as { output?: unknown }).output;
  await run('a');
  // As if the others had been written to.
  const db = databaseOf(join(folder, 'data'));
  db.prepare(
    `INSERT INTO instances (id, service, run, live)
     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT 'made up ' || i, (SELECT service FROM instances), 'none', 1 FROM n`,
  ).run(MACHINE.instances_per_service.default - 2);
  db.close();
  const full = `instances: The service has ${MACHINE.instances_per_service.default} live instances, which is the limit. End some that are not needed.`;
  expect(await run('a', 'b')).toEqual([2, 1]);
  expect(await run('a', 'c')).toEqual([3, full]);
  await w.supervisor.control.kill(await instance(w, 'b'), 'ana', 'room');
  expect(await run('c', 'b')).toEqual([1, full]);
});
