/** Cranks with thousands of effects: they are decided in slices, and other runs and people have their turn in between. */
import { describe, expect, test } from 'vitest';
import { MICROS } from '@corral/protocol/limits';
import { readingTool, tool, world } from '../world.ts';
import { until } from '../until.ts';
import { asked, forbidding, paid, payments, policies } from './payments.ts';
import { kinds, slowly } from './slowly.ts';

const EFFECTS = 6_000;
/** An agent that emits many events in one crank, with something before and after them. */
const flood = (uses: string, before: string, after = '') =>
  `{ name: 'flood', uses: ${uses}, async run({ caps, emit, input }) { ${before} for (let i = 0; i < ${EFFECTS}; i++) emit('drop', i); ${after} return 'done' } }`;
const PAYS = `{ name: 'payer', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({ amount: 2 }).then(() => 'paid') }`;

/** A tool that moves money, and a list of the amounts that it moved. */
function purse() {
  const moved: unknown[] = [];
  const pay = tool('pay', ({ amount }) => void moved.push(amount), { money: 'amount' });
  return { pay, moved };
}

describe('a crank of thousands of effects', () => {
  test('holds up nobody: a run of another tenant is answered while it is decided, and all of it happens', async () => {
    const { w, within, hurry } = await slowly([tool('look', () => 'seen')]);
    const flooding = await w.deploy(flood('{}', ''), 'zoo');
    const looking = await w.deploy(`{ name: 'look', uses: { look: 'tool:look' }, run: ({ caps }) => caps.look({}) }`);
    const { id, ended } = await w.submit(flooding, {}, { tenant: 'zoo' });
    await within(id);
    const other = await w.submit(looking);
    expect(await other.ended).toEqual({ kind: 'completed', output: 'seen' });
    expect(await kinds(w, id)).toEqual([]);
    expect(w.supervisor.view(id)).toMatchObject({ on_cpu: false, runnable: false, lifecycle: 'active' });
    hurry();
    expect(await ended).toEqual({ kind: 'completed', output: 'done' });
    const drops = w.seen.flatMap((one) => (one.kind === 'emitted' && one.run === id ? [one.data] : []));
    expect(drops).toEqual(Array.from({ length: EFFECTS }, (_, i) => i));
  });

  test('leaves no trace where its run is killed in the middle of it, and the kill does not wait for it', async () => {
    const { pay, moved } = purse();
    const spend = { day: { money_micros: { hard: 3 * MICROS } } };
    const { w, within } = await slowly([pay], { tenants: { crew: { tools: [pay], spend } } });
    const { id, ended } = await w.submit(await w.deploy(flood(`{ pay: 'tool:pay' }`, 'caps.pay({ amount: 2 });')));
    await within(id);
    // Its reservation counts against others.
    const other = await w.submit(await w.deploy(PAYS));
    await w.until(other.id, (view) => view?.control === 'paused');
    await w.supervisor.control.kill(id, 'ana', 'enough');
    expect(await ended).toEqual({ kind: 'killed', by: 'ana', reason: 'enough' });
    expect(await kinds(w, id)).toEqual(['ended']);
    expect(w.seen.some(({ kind }) => kind === 'emitted')).toBe(false);
    expect(moved).toEqual([]);
    expect(await w.run(PAYS)).toEqual({ kind: 'completed', output: 'paid' });
    expect(moved).toEqual([2]);
  });

  test('does not spend with others what is left once: of 64 runs that pay in between each other, as many pay as the account has', async () => {
    const { pay, moved } = purse();
    const spend = { day: { money_micros: { hard: 5 * MICROS } } };
    const { w } = await slowly([pay], { tenants: { crew: { tools: [pay], spend } } });
    const version = await w.deploy(
      `{ name: 'payer', uses: { pay: 'tool:pay' }, async run({ caps, emit }) { emit('before', 1); const going = caps.pay({ amount: 1 }); for (let i = 0; i < 20; i++) emit('after', i); return going; } }`,
    );
    const runs = await Promise.all(Array.from({ length: 64 }, () => w.submit(version).catch(() => undefined)));
    const settled = (run: (typeof runs)[number]) => run === undefined || w.supervisor.view(run.id)?.control !== 'none';
    await until(() => runs.every(settled), 'all runs to end or to be paused');
    expect(moved).toEqual([1, 1, 1, 1, 1]);
    const row = (await w.store.spend({ from: '0' })).find(({ kind }) => kind === 'tenant');
    expect(row).toMatchObject({ spent: { money_micros: 5 * MICROS }, reserved: { money_micros: 0 } });
  });

  test('goes before an approval that comes in the middle of it', async () => {
    paid.length = 0;
    const tools = [payments()];
    const current = policies(tools, forbidding('@consequence("approval")'));
    const { w, within, hurry } = await slowly(tools, { tenants: { crew: { tools, policies: { current } } } });
    const source = `{ name: 'flood', uses: { pay: 'tool:payments.send' }, async run({ caps, emit, sleep }) {
      const going = caps.pay({ to: 'acme', amount: 5 });
      await sleep(200);
      for (let i = 0; i < ${EFFECTS}; i++) emit('drop', i);
      await going;
      return 'done' } }`;
    const { id, ended } = await w.submit(await w.deploy(source));
    const { call } = await asked(w);
    await within(id);
    const deciding = w.supervisor.control.decide(id, call, 'owner', 'approve', 'it is due');
    expect(await kinds(w, id)).toEqual(['crank']);
    hurry();
    await deciding;
    expect((await kinds(w, id)).slice(0, 3)).toEqual(['crank', 'crank', 'approval']);
    expect(await ended).toEqual({ kind: 'completed', output: 'done' });
    expect(paid).toHaveLength(1);
  });

  test('is decided again where a capability that it used is taken back in the middle of it', async () => {
    const { pay, moved } = purse();
    const { w, within, hurry } = await slowly([pay]);
    const source = flood(`{ pay: 'tool:pay' }`, `const going = caps.pay({ amount: 1 }).catch(({ code }) => code);`, 'return await going;');
    const { id, ended } = await w.submit(await w.deploy(source));
    await within(id);
    const grant = (await w.store.grants(id)).find(({ target }) => target.kind === 'tool');
    await w.supervisor.stops.revoke(grant?.id as NonNullable<typeof grant>['id'], 'ana', 'enough');
    hurry();
    expect(await ended).toEqual({ kind: 'completed', output: 'CORRAL_REVOKED' });
    const [first] = await w.store.journal(id);
    expect(first?.decisions).toMatchObject([{ verdict: 'deny', code: 'CORRAL_REVOKED' }]);
    expect(moved).toEqual([]);
  });

  test('is made again by the next host where its host closes in the middle of it', async () => {
    const { w, within } = await slowly([]);
    const { id } = await w.submit(await w.deploy(flood('{}', '')));
    await within(id);
    await w.close();
    const again = await world([], { folder: w.folder });
    expect(await again.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'done' });
    expect(await kinds(again, id)).toEqual(['crank']);
  });

  test('keeps the answer that waits behind it when the host stops, also of a call that could be made again: it was paid for', async () => {
    let calls = 0;
    let answer = () => {};
    const look = readingTool('look', () => {
      calls += 1;
      return new Promise<string>((resolve) => {
        answer = () => resolve('seen');
        if (calls > 1) resolve('seen again');
      });
    });
    const { w, within, hurry } = await slowly([look]);
    const { id } = await w.submit(
      await w.deploy(`{ name: 'flood', uses: { look: 'tool:look' }, async run({ caps, emit, sleep }) {
        const one = caps.look({ path: 'x' });
        await sleep(100);
        for (let i = 0; i < 3000; i++) emit('drop', i);
        return await one;
      } }`),
    );
    await within(id);
    answer();
    // The answer passes the bus within a few turns of the event loop.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    hurry();
    await w.supervisor.drain(5_000);
    await w.close();
    const again = await world([look], { folder: w.folder });
    expect(await again.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'seen' });
    expect(calls).toBe(1);
  });
});
