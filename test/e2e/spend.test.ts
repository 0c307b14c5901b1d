/** Purses above the run: what a tenant, an agent and a person may spend by day and month, on a real host with a real store. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import type { RunId } from '@corral/protocol/ids';
import { MICROS } from '@corral/protocol/limits';
import { dayOf, type AccountDay } from '@corral/protocol/model/spend';
import type { Store } from '@corral/protocol/ports/store';
import { SqliteStore } from '@corral/store/sqlite';
import { realClock } from '@corral/supervisor';
import { folder } from '../command.ts';
import { gate, readingTool, tool, world } from '../world.ts';
import { agentFile } from '../agents/file.ts';

const CENT = MICROS / 100;
const BUYER = agentFile('crew/buys');

/** A payment that is made when it is told to be, and counts what went. */
function shop(held = false) {
  const paid = { micros: 0, calls: 0 };
  const gates: (() => void)[] = [];
  const pay = tool(
    'pay',
    async ({ amount }) => {
      if (held) await new Promise<void>((resolve) => gates.push(resolve));
      paid.micros += Math.round(Number(amount) * MICROS);
      paid.calls += 1;
      return 'paid';
    },
    { money: 'amount' },
  );
  return { pay, paid, gates };
}

const accountsOf = async (store: Store): Promise<Record<string, AccountDay>> =>
  Object.fromEntries((await store.spend({ from: '2000-01-01' })).map((row) => [`${row.kind} ${row.name}`, row]));

const untilEqual = async <T>(what: () => Promise<T> | T, wanted: T): Promise<void> => {
  await expect.poll(what, { timeout: 90_000, interval: 5 }).toEqual(wanted);
};

test('64 calls at once on the last cent of a tenant: one is made, and none of the others leaves', async () => {
  const { pay, paid } = shop();
  const spend = { day: { money_micros: CENT } };
  // None asks before all are admitted: a job that comes once the money is reserved is refused.
  const { opened, open } = gate();
  const tools = [pay, readingTool('wait', () => opened)];
  const w = await world(tools, { tenants: { crew: { tools, spend } } });
  const version = await w.deploy(
    `{ name: 'buyer', uses: { pay: 'tool:pay', wait: 'tool:wait' }, async run({ caps }) { await caps.wait({}); await caps.pay({ amount: 0.01 }) } }`,
  );
  const runs = await Promise.all(Array.from({ length: 64 }, () => w.submit(version, {}, { budget: { money_micros: CENT } })));
  open();
  const stands = () => runs.filter(({ id }) => w.supervisor.view(id)?.control === 'paused').length;
  await untilEqual(stands, 63);
  expect(paid).toEqual({ micros: CENT, calls: 1 });
  const rows = await accountsOf(w.store);
  for (const account of ['tenant crew', 'agent buyer', 'person test'])
    expect(rows[account]).toMatchObject({
      day: dayOf(realClock.now()),
      spent: { money_micros: CENT },
      reserved: { money_micros: 0 },
    });
});

test('a run that would pass a hard bound stands still and says why; it goes on once the bound is raised', async () => {
  const { pay, paid } = shop();
  const tenants = (hard: number) => ({ crew: { tools: [pay], spend: { day: { money_micros: { hard } } } } });
  const w = await world([pay], { tenants: tenants(2 * CENT) });
  const { id, ended } = await w.submit(await w.deploy(BUYER), { amount: 0.01, times: 3 });
  await w.until(id, (view) => view?.control === 'paused');
  expect(paid.calls).toBe(2);
  const last = async () => (await w.store.journal(id)).at(-1)?.event;
  await untilEqual(async () => (await last())?.kind, 'control');
  expect(await last()).toMatchObject({ control: 'paused', by: 'budget' });
  expect(JSON.stringify(await last())).toContain(
    `Tenant crew has spent or reserved 0.02 of its 0.02 of money for ${dayOf(realClock.now())}`,
  );
  await expect(w.submit(await w.deploy(BUYER), { amount: 0.01, times: 1 })).rejects.toMatchObject({ code: 'CORRAL_SPEND_EXCEEDED' });
  w.supervisor.configure(tenants(10 * CENT));
  await w.supervisor.control.resume(id, 'test', 'the bound was raised');
  expect(await ended).toMatchObject({
    kind: 'completed',
    output: { code: 'CORRAL_SPEND_EXCEEDED', limit: 'tenant.day.money_micros', retryable: true, bought: 2 },
  });
});

test('what an agent and what a person may spend bounds them alone, and `*` those that are not named', async () => {
  const { pay, paid } = shop();
  const spend = { agents: { buyer: { month: { money_micros: CENT } } }, people: { '*': { day: { calls: 3 } } } };
  const w = await world([pay], { tenants: { crew: { tools: [pay], spend } } });
  const { id } = await w.submit(await w.deploy(BUYER), { amount: 0.01, times: 2 });
  await w.until(id, (view) => view?.control === 'paused');
  expect(paid.calls).toBe(1);
  const other = await w.submit(await w.deploy(agentFile('crew/buys-too')), { amount: 0.01, times: 4 });
  await w.until(other.id, (view) => view?.control === 'paused');
  expect(paid.calls).toBe(3);
});

test('a soft bound is told of once, and nothing is kept from being made', async () => {
  const { pay } = shop();
  const spend = { day: { money_micros: { soft: 2 * CENT } } };
  const w = await world([pay], { tenants: { crew: { tools: [pay], spend } } });
  await (
    await w.submit(await w.deploy(BUYER), { amount: 0.01, times: 4 })
  ).ended;
  const told = w.seen.filter(({ kind }) => kind === 'warned');
  expect(told).toMatchObject([
    { holder: { kind: 'tenant', name: 'crew' }, period: 'day', name: 'money_micros', committed: 2 * CENT, soft: 2 * CENT },
  ]);
});

test('what a killed run had under way stays spent', async () => {
  const { pay, gates } = shop(true);
  const spend = { day: { money_micros: 100 * CENT } };
  const w = await world([pay], { tenants: { crew: { tools: [pay], spend } } });
  const { id, ended } = await w.submit(await w.deploy(BUYER), { amount: 0.05, times: 1 });
  await untilEqual(() => gates.length, 1);
  await untilEqual(async () => (await accountsOf(w.store))['tenant crew']?.reserved.money_micros, 5 * CENT);
  await w.supervisor.control.kill(id, 'test', 'enough');
  await ended;
  expect((await accountsOf(w.store))['tenant crew']).toMatchObject({
    spent: { money_micros: 5 * CENT, calls: 1 },
    reserved: { money_micros: 0, calls: 0 },
  });
});

test('a host that opens the folder again knows what was spent and what is still reserved', async () => {
  const { pay, paid, gates } = shop(true);
  const tenants = { crew: { tools: [pay], spend: { day: { money_micros: 8 * CENT } } } };
  const first = await world([pay], { tenants });
  const version = await first.deploy(BUYER);
  const { id } = await first.submit(version, { amount: 0.05, times: 2 });
  await untilEqual(() => gates.length, 1);
  await untilEqual(async () => (await accountsOf(first.store))['tenant crew']?.reserved.money_micros, 5 * CENT);
  await first.close();
  const again = await world([pay], { tenants, folder: first.folder });
  // Nobody knows whether it was paid: it waits, and so does its reservation.
  const other = await again.submit(version, { amount: 0.05, times: 1 });
  await again.until(other.id, (view) => view?.control === 'paused');
  expect(gates.length).toBe(1);
  await again.supervisor.control.resolve(id, 1, 'test', { how: 'fail' });
  await untilEqual(async () => (await accountsOf(again.store))['tenant crew']?.reserved.money_micros, 0);
  expect((await accountsOf(again.store))['tenant crew']?.spent.money_micros).toBe(5 * CENT);
  expect(paid.micros).toBe(0);
});

test('a commit that the store refuses gives back what it had reserved', async () => {
  const { pay, paid } = shop();
  let refuse = true;
  const refused: RunId[] = [];
  const through = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'commit') return typeof value === 'function' ? (value as () => void).bind(target) : value;
        return (commit: Parameters<Store['commit']>[0]) => {
          if (!refuse || commit.spend === undefined) return target.commit(commit);
          refuse = false;
          refused.push(commit.run);
          return Promise.reject(new CorralError('CORRAL_DISK_FULL', 'There is no space left.'));
        };
      },
    });
  const spend = { day: { money_micros: CENT } };
  const w = await world([pay], { through, tenants: { crew: { tools: [pay], spend } } });
  const version = await w.deploy(BUYER);
  await w.submit(version, { amount: 0.01, times: 1 });
  await untilEqual(() => refused.length, 1);
  // The run is taken up again, and has its cent.
  await untilEqual(() => paid.micros, CENT);
  expect(refused.length).toBe(1);
  await expect
    .poll(async () => (await accountsOf(w.store))['tenant crew'], { timeout: 90_000 })
    .toEqual({
      tenant: 'crew',
      kind: 'tenant',
      name: 'crew',
      day: dayOf(realClock.now()),
      spent: { money_micros: CENT, tokens: 0, calls: 1 },
      reserved: { money_micros: 0, tokens: 0, calls: 0 },
    });
});

describe('a call that a person has made again', () => {
  /** A payment whose first answer is lost, on a host whose clock may be put forward. */
  async function lost(hard: number) {
    let [ahead, made] = [0, 0];
    const { pay } = shop();
    const invoke: typeof pay.invoke = (...call) =>
      (made += 1) === 1 ? Promise.resolve({ kind: 'unknown', message: 'the line went dead' }) : pay.invoke(...call);
    const losing = { ...pay, invoke };
    const f = await folder();
    const clock = { ...realClock, now: () => realClock.now() + ahead };
    const spend = { day: { money_micros: { hard } } };
    const w = await world([losing], { folder: join(f.data, '..'), clock, tenants: { crew: { tools: [losing], spend } } });
    const { id, ended } = await w.submit(await w.deploy(BUYER), { amount: 0.05, times: 1 }, { ceilings: { wall_ms: 7 * 86_400_000 } });
    await untilEqual(async () => (await w.store.run(id))?.status.waiting, 'resolution');
    return { w, f, id, ended, forward: (ms: number) => void (ahead += ms) };
  }
  const days = async (store: Store) => {
    const rows = (await store.spend({ from: '2000-01-01' })).filter(({ kind }) => kind === 'tenant');
    return Object.fromEntries(rows.map(({ day, spent, reserved }) => [day, [spent.money_micros, reserved.money_micros]]));
  };

  test('counts for the day on which it leaves again, and its first attempt for its own', async () => {
    const { w, id, ended, forward } = await lost(8 * CENT);
    const first = dayOf(realClock.now());
    await expect(w.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' })).rejects.toMatchObject({ code: 'CORRAL_SPEND_EXCEEDED' });
    forward(86_400_000);
    await w.supervisor.control.resolve(id, 1, 'ana', { how: 'retry' });
    expect(await ended).toMatchObject({ kind: 'completed', output: { bought: 1 } });
    expect(await days(w.store)).toEqual({
      [first]: [5 * CENT, 0],
      [dayOf(realClock.now() + 86_400_000)]: [5 * CENT, 0],
    });
  });

  test('is not made where an account is overdrawn, though it says nothing of its price beforehand', async () => {
    let made = 0;
    const note = tool('note', () => undefined);
    const invoke: typeof note.invoke = () =>
      Promise.resolve((made += 1) === 1 ? { kind: 'unknown', message: 'the line went dead' } : { kind: 'ok', value: 'noted' });
    const { pay } = shop();
    const tools = [pay, { ...note, invoke }];
    const tenants = (hard: number) => ({ crew: { tools, spend: { day: { money_micros: { hard } } } } });
    const w = await world(tools, { tenants: tenants(5 * CENT) });
    const both = `{ name: 'both', uses: { pay: 'tool:pay', note: 'tool:note' }, async run({ caps }) { await caps.pay({ amount: 0.05 }); return caps.note({}); } }`;
    const { id, ended } = await w.submit(await w.deploy(both));
    await untilEqual(async () => (await w.store.run(id))?.status.waiting, 'resolution');
    w.supervisor.configure(tenants(4 * CENT));
    await expect(w.supervisor.control.resolve(id, 2, 'ana', { how: 'retry' })).rejects.toMatchObject({ code: 'CORRAL_SPEND_EXCEEDED' });
    w.supervisor.configure(tenants(5 * CENT));
    await w.supervisor.control.resolve(id, 2, 'ana', { how: 'retry' });
    expect([await ended, made]).toMatchObject([{ kind: 'completed', output: 'noted' }, 2]);
  });

  test('is held to the same accounts on a folder without a host', { tags: 'long' }, async () => {
    const { w, f, id } = await lost(8 * CENT);
    await w.close();
    const config = join(f.data, '..', 'c.json');
    const bounds = (hard: number) => JSON.stringify({ tenants: { crew: { spend: { day: { money_micros: { hard } } } } } });
    await writeFile(config, bounds(8 * CENT));
    const retry = () => f.on('resolve', id, '1', '-m', 'the bank has nothing', '--retry', '--config', config);
    const refused = await retry();
    expect([refused.code === 0, refused.err]).toEqual([false, expect.stringContaining('CORRAL_SPEND_EXCEEDED')]);
    await writeFile(config, bounds(20 * CENT));
    expect(await retry()).toMatchObject({ code: 0 });
    const store = await SqliteStore.open(f.data);
    expect(await days(store)).toEqual({ [dayOf(realClock.now())]: [0, 10 * CENT] });
    expect((await store.journal(id)).at(-1)?.event).toMatchObject({ how: 'retry', day: dayOf(realClock.now()) });
    await store.close();
  });
});
