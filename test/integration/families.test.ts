/** The kill of a family is proved only when every descendant's end is durable, its pause when every descendant stands still. */
import { describe, expect, onTestFinished, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import type { Receipt } from '@corral/protocol/model/receipt';
import type { Commit } from '@corral/protocol/ports/store';
import { gate, keepingBack, readingTool, world, type WorldOptions } from '../world.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

/** The child keeps calls and bytes for itself: without them its own call would end it at once, and its child with it. */
const FAMILY = agentFile('family/three-generations');

describe('the kill of a family', () => {
  test('gives its receipt only when a grandchild is dead whose own parent had ended before', async () => {
    const mayEnd = gate();
    const child = gate();
    let grandchild: RunId | undefined;
    let isWritten = false;
    const isGrandchildsEnd = ({ entry, run }: Commit) => {
      if (run !== grandchild || entry.event?.kind !== 'ended') return false;
      isWritten = true;
      return true;
    };
    const never = new Promise(() => undefined);
    const wait = readingTool('wait', async (input, { run }) => {
      const { record } = (await w.store.run(run)) ?? {};
      if (record?.agent !== 'child') return never;
      await child.opened;
      return 'ok';
    });
    const w = await world([wait], { through: (store) => keepingBack(store, isGrandchildsEnd, mayEnd.opened) });
    // Before the host closes, which waits for what is kept back.
    onTestFinished(mayEnd.open);
    const { store } = w;
    const { id } = await w.submit(await w.deploy(FAMILY));
    await until(async () => (await store.descendants(id)).length >= 2);
    for (const one of await store.descendants(id)) if ((await store.run(one))?.record.agent === 'grandchild') grandchild = one;
    // The child completes, and leaves its own child behind, whose end is not durable yet.
    child.open();
    await until(() => isWritten);
    const outcomes = w.seen.flatMap((one) => (one.kind === 'ended' ? [one.outcome] : []));
    expect(outcomes).toEqual([{ kind: 'completed', output: null }]);
    let proved = false;
    const killed = w.supervisor.control.kill(id, 'ana', 'enough').finally(() => (proved = true));
    await w.supervisor.ended(id);
    // Questions to the store are answered after whatever the kill has asked of it.
    for (let asked = 0; asked < 50; asked++) expect(await store.descendants(id)).toEqual([grandchild]);
    expect(proved).toBe(false);
    mayEnd.open();
    await killed;
    expect(await store.descendants(id)).toEqual([]);
  });
});

const WAITING = agentFile('family/seven');
const BESIDE = agentFile('crew/ten-calls');
const BUDGET = { calls: 1_000_000, cpu_ms: 200_000, children: 20 };

/** A family of seven, of which the leaves do something all the time. */
async function busyFamily(options: WorldOptions = {}, isWhole = true) {
  const calls = new Map<RunId, number>();
  const tick = readingTool('tick', (_, { run }) => calls.set(run, (calls.get(run) ?? 0) + 1) && 'ok');
  const w = await world([tick], options);
  const { id } = await w.submit(await w.deploy(WAITING), {}, { budget: BUDGET });
  const below = () => w.store.descendants(id);
  await until(async () => (await below()).length >= (isWhole ? 6 : 2), 'the family is complete');
  const of = async (agent: string) => {
    const found: RunId[] = [];
    for (const one of await below()) if ((await w.store.run(one))?.record.agent === agent) found.push(one);
    return found;
  };
  const controls = async () => Promise.all([id, ...(await below())].map(async (run) => (await w.store.run(run))?.status.control));
  const total = () => [...calls.values()].reduce((sum, one) => sum + one, 0);
  return { w, id, tick, calls, below, of, controls, total };
}

const counted = (receipts: readonly Receipt[]): number => receipts.reduce((sum, { children }) => sum + 1 + counted(children), 0);

describe('the pause of a family', () => {
  test('has its receipt when every descendant stands still, parked ones too, and its resumption lets all of them go on', async () => {
    const { w, id, controls, total, calls, of } = await busyFamily();
    const beside = await w.deploy(BESIDE);
    await w.supervisor.park();
    const receipt = await w.supervisor.families.pause(id, 'ana', 'let me look');
    expect(receipt).toMatchObject({ run: id, operation: 'pause', control: 'paused' });
    expect(receipt.children.map(({ children }) => children.length)).toEqual([2, 2]);
    expect(await controls()).toEqual(Array(7).fill('paused'));
    // As often as this run gets its turn, a leaf would have got one.
    const before = total();
    expect(await (await w.submit(beside)).ended).toMatchObject({ kind: 'completed' });
    expect(total()).toBe(before + 10);
    const [leaf] = await of('leaf');
    expect((await w.store.journal(leaf as RunId, 0)).at(-1)?.event).toEqual({
      kind: 'control',
      control: 'paused',
      by: 'ana',
      reason: 'let me look',
      family: id,
    });
    await expect(w.supervisor.families.pause(id, 'ana', 'again')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    expect(counted([await w.supervisor.families.resume(id, 'ana', 'seen')])).toBe(7);
    expect(await controls()).toEqual(Array(7).fill('none'));
    const then = new Map(calls);
    await until(async () => (await of('leaf')).every((one) => calls.get(one) !== then.get(one)), 'each leaf goes on');
    await expect(w.supervisor.families.resume(id, 'ana', 'again')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
  });

  test('leaves those alone that somebody had paused before, and so does its resumption, also after a restart', async () => {
    const first = await busyFamily();
    const { id } = first;
    const [branch] = await first.of('branch');
    const [leaf] = await first.of('leaf');
    const { control, families } = first.w.supervisor;
    await control.pause(leaf as RunId, 'ben', 'mine');
    await families.pause(branch as RunId, 'eve', 'a part of it');
    const receipt = await families.pause(id, 'ana', 'all of it');
    expect(counted([receipt])).toBeLessThan(7);
    await first.w.close();
    const w = await world([first.tick], { folder: first.w.folder });
    const controlOf = async (run: RunId | undefined) => (await w.store.run(run as RunId))?.status.control;
    const paused = async () => {
      const all = [id, ...(await w.store.descendants(id))];
      const stands = await Promise.all(all.map(async (run) => ((await controlOf(run)) === 'paused' ? [run] : [])));
      return stands.flat().length;
    };
    expect(await paused()).toBe(7);
    const resumed = await w.supervisor.families.resume(id, 'ana', 'seen');
    expect(counted([resumed])).toBe(counted([receipt]));
    expect(await controlOf(leaf)).toBe('paused');
    expect(await controlOf(branch)).toBe('paused');
    await w.supervisor.families.resume(branch as RunId, 'eve', 'seen');
    expect(await paused()).toBe(1);
    await w.supervisor.control.resume(leaf as RunId, 'ben', 'seen');
    expect(await paused()).toBe(0);
  });

  test('stops what is being spawned, and a pause of the parent alone is made one of its family', async () => {
    const { w, id, controls, below } = await busyFamily({}, false);
    const { control, families } = w.supervisor;
    await control.pause(id, 'ana', 'only this one');
    const receipt = await families.pause(id, 'ana', 'the others, too');
    expect(receipt).toMatchObject({ run: id, control: 'paused', latency_ms: 0 });
    const born = (await below()).length;
    expect(await controls()).toEqual(Array(born + 1).fill('paused'));
    expect(counted(receipt.children)).toBe(born);
    await families.resume(id, 'ana', 'seen');
    expect(await controls()).not.toContain('paused');
  });

  test('is refused for a family that somebody lets go on before it stands still', async () => {
    const { w, id } = await busyFamily();
    const descendants = w.store.descendants.bind(w.store);
    let resumed: Promise<unknown> | undefined;
    w.store.descendants = async (run) => {
      resumed ??= w.supervisor.control.resume(id, 'ben', 'no');
      await resumed;
      return descendants(run);
    };
    await expect(w.supervisor.families.pause(id, 'ana', 'stop')).rejects.toMatchObject({
      code: 'CORRAL_RUN_STATE',
      message: expect.stringContaining('was resumed') as string,
    });
  });
});
