/** A crank that is being decided in slices when somebody stops its run. */
import { describe, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { tool, world, type World } from '../world.ts';
import { until } from '../until.ts';
import { FREE, paid, payments, policies } from './payments.ts';
import { kinds, slowly } from './slowly.ts';
import { agentFile } from '../agents/file.ts';

const EFFECTS = 6_000;
/** An agent that pays before and after many other effects of one crank. */
const PAYER = `{ name: 'flood', uses: { pay: 'tool:pay' }, async run({ caps, emit }) {
  const first = caps.pay({ amount: 1 });
  for (let i = 0; i < ${EFFECTS}; i++) emit('drop', i);
  await Promise.all([first, caps.pay({ amount: 2 })]);
  return 'done' } }`;

function purse() {
  const moved: unknown[] = [];
  return { moved, pay: tool('pay', ({ amount }) => void moved.push(amount)) };
}

describe('a run whose crank is being decided', () => {
  test('stands at once where it is paused: the crank is made again after the resumption', async () => {
    const { pay, moved } = purse();
    const { w, within, hurry } = await slowly([pay]);
    const { id, ended } = await w.submit(await w.deploy(PAYER));
    await within(id);
    const pausing = w.supervisor.control.pause(id, 'ana', 'wait');
    expect(w.supervisor.view(id)).toMatchObject({ control: 'paused', on_cpu: false, runnable: false });
    hurry();
    expect(await pausing).toMatchObject({ operation: 'pause', control: 'paused' });
    expect(await kinds(w, id)).toEqual(['control']);
    expect(moved).toEqual([]);
    await w.supervisor.control.resume(id, 'ana', 'go on');
    expect(await ended).toEqual({ kind: 'completed', output: 'done' });
    expect(moved).toEqual([1, 2]);
    const drops = w.seen.flatMap((one) => (one.kind === 'emitted' && one.run === id ? [one.data] : []));
    expect(drops).toEqual(Array.from({ length: EFFECTS }, (_, i) => i));
  });

  test('stands at once where another command waits for the crank: that one is done, and the crank is not', async () => {
    const { pay, moved } = purse();
    const { w, within, hurry } = await slowly([pay]);
    const { id } = await w.submit(await w.deploy(PAYER));
    await within(id);
    const cancelling = w.supervisor.control.cancel(id, 'ana', 'enough', 60_000);
    expect(await kinds(w, id)).toEqual([]);
    const pausing = w.supervisor.control.pause(id, 'ana', 'wait');
    hurry();
    await Promise.all([cancelling, pausing]);
    expect(await kinds(w, id)).toEqual(['cancel', 'control']);
    expect(moved).toEqual([]);
  });

  test('makes no call of the crank where its version is put under quarantine, until that is lifted', async () => {
    const { pay, moved } = purse();
    const { w, within, hurry } = await slowly([pay]);
    const version = await w.deploy(PAYER);
    const { id, ended } = await w.submit(version);
    await within(id);
    const quarantining = w.supervisor.stops.quarantine('version', version.version, 'ana', 'odd');
    hurry();
    await quarantining;
    expect(await kinds(w, id)).toEqual(['control']);
    expect(w.supervisor.view(id)).toMatchObject({ control: 'quarantined' });
    expect(moved).toEqual([]);
    await w.supervisor.stops.lift('version', version.version, 'ana', 'it was not');
    expect(await ended).toEqual({ kind: 'completed', output: 'done' });
    expect(moved).toEqual([1, 2]);
  });

  test('makes no call of the crank where a denial in another run puts its version under quarantine', async () => {
    paid.length = 0;
    const tools = [payments()];
    const text = `${FREE} @id("small") @consequence("quarantine") forbid (principal, action == Action::"tool:payments.send", resource) when { context.args.amount.greaterThan(decimal("100.0")) };`;
    const current = policies(tools, text);
    const { w, within } = await slowly(tools, { tenants: { crew: { tools, policies: { current } } } });
    const version = await w.deploy(agentFile('hostile/pays-before-a-flood'));
    const { id } = await w.submit(version, { amount: 5, events: EFFECTS });
    await within(id);
    const other = await w.submit(version, { amount: 500 });
    await w.until(other.id, (view) => view?.control === 'quarantined');
    await w.until(id, (view) => view?.control === 'quarantined');
    await until(async () => (await kinds(w, id)).length > 0, 'an entry');
    expect(await kinds(w, id)).toEqual(['control']);
    expect(paid).toEqual([]);
  });
});

describe('a mailbox whose only other holder was sent it in the crank at which it ends', () => {
  /** A run that listens to its child. Once the child has the mailbox, it spins, or emits as many events as the input says. */
  const owner = agentFile('hostile/mailbox-in-its-last-crank');

  const childOf = async (w: World, parent: RunId) => {
    const child = () => w.seen.flatMap((one) => (one.kind === 'admitted' && one.run !== parent ? [one.run] : []))[0];
    await until(() => child() !== undefined, 'the child');
    return child() as RunId;
  };
  const STALLED = { kind: 'failed', code: 'CORRAL_STALLED' };

  test('has no other holder where the child is killed while the crank is decided', async () => {
    const { w, within } = await slowly([]);
    const { id, ended } = await w.submit(await w.deploy(owner), { events: EFFECTS });
    const child = await childOf(w, id);
    await within(child);
    await w.supervisor.control.kill(child, 'ana', 'enough');
    expect(await ended).toMatchObject(STALLED);
  });

  test('has no other holder where the child is killed on the CPU', async () => {
    const w = await world([]);
    const { id, ended } = await w.submit(await w.deploy(owner), {}, { ceilings: { crank_cpu_ms: 10_000 } });
    const child = await childOf(w, id);
    // Its second crank, which has the message.
    await until(async () => (await kinds(w, child)).length === 1, 'its first crank');
    await w.until(child, (view) => view?.on_cpu === true);
    await w.supervisor.control.kill(child, 'ana', 'enough');
    expect(await ended).toMatchObject(STALLED);
  });

  test('has no other holder where the child exceeds its CPU time', async () => {
    const w = await world([]);
    const { ended } = await w.submit(await w.deploy(owner));
    expect(await ended).toMatchObject(STALLED);
  });
});
