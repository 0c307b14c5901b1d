/** Two hosts that share a store: what one of them can do about runs that the other holds. */
import { describe, expect, onTestFinished, test } from 'vitest';
import type { GrantId, PrincipalId, RunId, TenantId } from '@corral/protocol/ids';
import type { Commit, Store } from '@corral/protocol/ports/store';
import type { Tool } from '@corral/protocol/ports/tool';
import { findWalls, ProcessLauncher, readImage, realClock, realRandom, Supervisor, type SupervisorOptions } from '@corral/supervisor';
import type { Receipt } from '@corral/protocol/model/receipt';
import { movableClock } from '../clock.ts';
import { agentFile } from '../agents/file.ts';
import { gate, keepingBack, readingTool, tool, world, type World, type WorldOptions } from '../world.ts';
import { until } from '../until.ts';

/** Another host on the store of a world. */
async function beside(
  w: World,
  tools: readonly Tool[],
  { clock = realClock, through = (store) => store, ...options }: Partial<SupervisorOptions> & Pick<WorldOptions, 'through'> = {},
): Promise<Supervisor> {
  const supervisor = await Supervisor.start({
    // The store is closed by the world that opened it.
    store: new Proxy<Store>(through(w.store), {
      get: (store, name) => {
        const member = name === 'close' ? () => Promise.resolve() : (Reflect.get(store, name) as unknown);
        return typeof member === 'function' ? member.bind(store) : member;
      },
    }),
    node: { name: 'second' },
    launcher: new ProcessLauncher(findWalls()),
    clock,
    random: realRandom,
    image: readImage(),
    cores: 2,
    tenants: { crew: { tools } },
    ...options,
  });
  onTestFinished(() => supervisor.close());
  return supervisor;
}

/** A store that tells a host nothing about other nodes while it is to be deaf. */
function deaf(store: Store, hears: () => Promise<unknown> | undefined): Store {
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== 'function') return member;
      if (name === 'beat' || name === 'holding')
        return async (...of: unknown[]) => {
          await hears();
          return (member as (...of: unknown[]) => unknown).apply(target, of);
        };
      return member.bind(target);
    },
  });
}

/** A payment that is under way until it is aborted, and then reports that it was made. */
function payingUntilAborted() {
  const left = gate();
  const aborted = gate();
  const pay = tool('pay', async (_, { signal }) => {
    left.open();
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    aborted.open();
    return 'paid';
  });
  return { pay, left, aborted };
}

const WAITS = `{ name: 'a', uses: { pay: 'tool:pay' }, async run({ caps, sleep }) { for (let i = 0; ; i++) { await sleep(20); await caps.pay({ i }) } } }`;

describe('a run that another node holds', () => {
  test('is killed from here at once, while its node hears of nothing; what that one writes for it is refused', async () => {
    const hears = gate();
    onTestFinished(hears.open);
    let calls = 0;
    const pay = tool('pay', () => (calls += 1));
    let isDeaf = false;
    const w = await world([pay], { node: { name: 'first' }, through: (store) => deaf(store, () => (isDeaf ? hears.opened : undefined)) });
    const other = await beside(w, [pay]);
    const { id, ended } = await w.submit(await w.deploy(WAITS));
    await until(() => calls > 1);
    isDeaf = true;
    const receipt = await other.control.kill(id, 'ana', 'enough');
    expect(receipt).toMatchObject({ run: id, operation: 'kill', lifecycle: 'ended', fenced: { node: 'first' } });
    expect(receipt.fenced?.until).toBeGreaterThan(Date.now());
    const stored = await w.store.run(id);
    expect(stored?.status.outcome).toEqual({ kind: 'killed', by: 'ana', reason: 'enough' });
    // Its node has heard of nothing, and finds out by the first entry that it tries to write.
    expect(await ended).toEqual({ kind: 'killed', by: 'ana', reason: 'enough' });
    expect(w.seen.some((seen) => seen.kind === 'refused' && seen.run === id)).toBe(true);
    expect((await w.store.run(id))?.seq).toBe(stored?.seq);
    await expect(other.control.kill(id, 'ana', 'again')).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
  });

  test('is dropped by its node with that one’s next sign of life, and its call is aborted', async () => {
    const { pay, left, aborted } = payingUntilAborted();
    const w = await world([pay], { node: { name: 'first' }, residency: { sweep_ms: 20 } });
    const other = await beside(w, [pay]);
    const { id } = await w.submit(await w.deploy(`{ name: 'a', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({}) }`));
    await left.opened;
    const receipt = await other.control.kill(id, 'ana', 'enough');
    expect(receipt).toMatchObject({ calls_aborted: 0, calls_unknown: [1], fenced: { node: 'first' } });
    await aborted.opened;
    await until(() => w.supervisor.view(id) === undefined);
  });

  test('is killed with its descendants, wherever they are', async () => {
    const wait = readingTool('wait', () => new Promise(() => undefined));
    const w = await world([wait], { node: { name: 'first' } });
    const other = await beside(w, [wait]);
    const { id } = await w.submit(await w.deploy(agentFile('family/three-generations')));
    await until(async () => (await w.store.descendants(id)).length === 2);
    const below = await w.store.descendants(id);
    const receipt = await other.control.kill(id, 'ana', 'enough');
    const flat = (one: Receipt): Receipt[] => [one, ...one.children.flatMap(flat)];
    expect(new Set(flat(receipt).map(({ run }) => run))).toEqual(new Set([id, ...below]));
    expect(flat(receipt).map(({ fenced }) => fenced?.node)).toEqual(['first', 'first', 'first']);
    expect(await w.store.descendants(id)).toEqual([]);
    for (const run of below) expect((await w.store.run(run))?.status.outcome).toMatchObject({ kind: 'killed', by: 'ana' });
  });

  test('is not reached by the cancel of its parent, whose receipt says so, and ends with that one', async () => {
    const wait = readingTool('wait', () => new Promise(() => undefined));
    const w = await world([wait], { node: { name: 'first' } });
    const other = await beside(w, [wait]);
    const { id } = await w.submit(await w.deploy(agentFile('family/three-generations')));
    await until(async () => (await w.store.descendants(id)).length === 2);
    const child = (await w.store.runs({ parent: id }))[0]?.record.id as RunId;
    await w.store.claim(child, await w.store.join('third', Date.now()), Date.now(), 'fence');
    await until(() => w.supervisor.view(child) === undefined);
    expect(await w.supervisor.control.cancel(id, 'ana', 'enough', 0)).toMatchObject({ children: [], not_reached: [child] });
    expect(other.view(child)).toBeUndefined();
  });

  test('does not use up its wall time while its node is dead and another one is alive', async () => {
    const hears = gate();
    onTestFinished(hears.open);
    let isDeaf = false;
    const through = (store: Store) => deaf(store, () => (isDeaf ? hears.opened : undefined));
    const w = await world([], { node: { name: 'first', lease_ms: 2_000 }, through });
    const { id } = await w.submit(await w.deploy(`{ name: 'a', async run({ sleep }) { await sleep(3_600_000); return 'woke' } }`));
    await w.until(id, (view) => view?.waiting === 'timer');
    isDeaf = true;
    const { clock, forward } = movableClock();
    // Longer than the run may take; for the first node no time has passed.
    forward(25 * 3_600_000);
    await beside(w, [], { clock });
    await until(async () => (await w.store.run(id))?.status.lifecycle === 'ended');
    expect((await w.store.run(id))?.status.outcome).toEqual({ kind: 'completed', output: 'woke' });
  });

  test('takes no other command here, and the answer names its node', async () => {
    const w = await world([], { node: { name: 'first' } });
    const other = await beside(w, []);
    const { id } = await w.submit(await w.deploy(`{ name: 'a', async run({ sleep }) { await sleep(3_600_000) } }`));
    await w.until(id, (view) => view?.waiting === 'timer');
    const { control, families } = other;
    for (const command of [
      () => control.pause(id, 'ana', 'why'),
      () => control.resume(id, 'ana', 'why'),
      () => control.cancel(id, 'ana', 'why'),
      () => control.resolve(id, 1, 'ana', { how: 'fail' }),
      () => control.decide(id, 1, 'ana', 'approve', 'why'),
      () => control.release(id, 'ana', 'why'),
      () => families.pause(id, 'ana', 'why'),
    ])
      await expect(command()).rejects.toMatchObject({ code: 'CORRAL_RUN_HELD', message: expect.stringContaining('first') });
    expect(w.supervisor.view(id)).toMatchObject({ control: 'none', lifecycle: 'active' });
    await w.supervisor.control.pause(id, 'ana', 'why');
    expect((await w.store.run(id))?.status.control).toBe('paused');
  });
});

describe('what another node has decided', () => {
  test('is followed with the next sign of life: a quarantine stops runs and new jobs here too, until it is lifted there', async () => {
    const w = await world([], { node: { name: 'first' }, residency: { sweep_ms: 20 } });
    const other = await beside(w, []);
    const version = await w.deploy(`{ name: 'a', async run({ sleep }) { for (;;) await sleep(10) } }`);
    const { id } = await w.submit(version);
    await w.until(id, (view) => view?.waiting === 'timer');
    await other.stops.quarantine('agent', 'crew/a', 'ana', 'odd');
    await until(async () => (await w.store.run(id))?.status.control === 'quarantined');
    expect(w.supervisor.stops.quarantines()).toMatchObject([{ kind: 'agent', name: 'crew/a', by: 'ana' }]);
    await expect(w.submit(version)).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
    await other.stops.lift('agent', 'crew/a', 'ana', 'fine');
    await until(async () => (await w.store.run(id))?.status.control === 'none');
    expect(w.supervisor.stops.quarantines()).toEqual([]);
    await w.submit(version);
  });

  test('is followed with the next sign of life: a revocation aborts the call under way here, and its result is not delivered', async () => {
    const { pay, left, aborted } = payingUntilAborted();
    const w = await world([pay], { node: { name: 'first' }, residency: { sweep_ms: 20 } });
    const other = await beside(w, [pay]);
    const { id, ended } = await w.submit(
      await w.deploy(`{ name: 'a', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({}).catch((error) => error.code) }`),
    );
    await left.opened;
    const grant = (await w.store.grants(id)).find(({ target }) => target.kind === 'tool');
    await other.stops.revoke(grant?.id as GrantId, 'ana', 'odd');
    await aborted.opened;
    expect(await ended).toEqual({ kind: 'completed', output: 'CORRAL_REVOKED' });
  });
});

test('what is left of an account is spent once, though two nodes have both seen it; the other run is refused and stands still', async () => {
  let [calls, deciding] = [0, 0];
  const pay = tool('pay', () => (calls += 1));
  const tenants = { crew: { tools: [pay], spend: { day: { calls: 1 } } } };
  const bothDecided = gate();
  // Each node hands its commit over when both have decided.
  const spends = (commit: Commit) => {
    if (commit.spend?.limits === undefined) return false;
    if ((deciding += 1) === 2) bothDecided.open();
    return true;
  };
  const through = (store: Store) => keepingBack(store, spends, bothDecided.opened);
  const w = await world([pay], { node: { name: 'first' }, tenants, through });
  const other = await beside(w, [pay], { tenants, through });
  const version = await w.deploy(`{ name: 'a', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({}) }`);
  const job = { tenant: 'crew' as TenantId, version, input: {}, principal: 'test' as PrincipalId };
  const runs = [(await w.submit(version)).id, (await other.submit(job)).id];
  const stored = () => Promise.all(runs.map(async (run) => (await w.store.run(run))?.status));
  await until(async () => (await stored()).some((status) => status?.control === 'paused'));
  await until(async () => (await stored()).some((status) => status?.lifecycle === 'ended'));
  expect(calls).toBe(1);
  expect((await w.store.spend({ from: '0', kind: 'tenant' })).map(({ spent, reserved }) => spent.calls + reserved.calls)).toEqual([1]);
  const entries = (await Promise.all(runs.map((run) => w.store.journal(run)))).flat();
  const refused = entries.flatMap(({ decisions }) => decisions).filter(({ verdict }) => verdict === 'deny');
  expect(refused).toMatchObject([{ code: 'CORRAL_SPEND_EXCEEDED' }]);
});
