/** Runs survive: parked, woken, checkpointed, recovered. Real cells, a real store; the supervisor is really stopped. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SqliteStore } from '@corral/store/sqlite';
import { restore } from '@corral/store/sqlite/backup';
import type { RunId } from '@corral/protocol/ids';
import type { Tool } from '@corral/protocol/ports/tool';
import { gate, openApproval, readingTool, temporary, tool, world, type World, park } from '../world.ts';
import { policiesOf } from '../policed.ts';
import { until } from '../until.ts';
import { movableClock } from '../clock.ts';
import { agentFile } from '../agents/file.ts';

const parked = async (w: World, id: RunId) => (await w.store.run(id))?.parked === true;

describe('a parked run', () => {
  test('is in no memory of the host, and wakes for its timer', async () => {
    const w = await world();
    const version = await w.deploy(
      `{ name: 'a', async run({ sleep }) { const before = Math.random(); await sleep(300); return before === before && 'woke' } }`,
    );
    const { id, ended } = await w.submit(version);
    await park(w, id);
    expect(w.supervisor.runs()).toEqual([]);
    expect(await w.store.run(id)).toMatchObject({ parked: true, status: { lifecycle: 'active', waiting: 'timer' } });
    expect(await ended).toEqual({ kind: 'completed', output: 'woke' });
  });

  test('wakes for a message, and is told who sent it', async () => {
    const w = await world();
    const version = await w.deploy(agentFile('family/slow-writer'));
    const { ended } = await w.submit(version);
    let parkings = 0;
    w.supervisor.observe((seen) => (parkings += Number(seen.kind === 'parked')));
    let over = false;
    void ended.then(() => (over = true));
    await until(async () => {
      await w.supervisor.park();
      return over;
    }, 'the run ends');
    expect(await ended).toEqual({ kind: 'completed', output: [0, 1, 2] });
    expect(parkings).toBeGreaterThan(3);
  });

  test('ends when its wall time is over, though nothing comes for it', async () => {
    const w = await world();
    const version = await w.deploy(`{ name: 'a', ceilings: { wall_ms: 2000 }, async run({ sleep }) { await sleep(1e6) } }`);
    const { id, ended } = await w.submit(version);
    await park(w, id);
    expect(await ended).toMatchObject({ kind: 'exceeded', limit: 'wall' });
  });

  test('can be paused, stays where it is until it is resumed, and can be killed', async () => {
    const w = await world();
    const version = await w.deploy(`{ name: 'a', async run({ sleep }) { await sleep(2000); return 1 } }`);
    const paused = await w.submit(version);
    const due = Date.now() + 2_000;
    await park(w, paused.id);
    await w.supervisor.control.pause(paused.id, 'ana', 'look');
    await park(w, paused.id);
    await until(() => Date.now() > due + 150);
    expect(await w.store.run(paused.id)).toMatchObject({ parked: true, status: { lifecycle: 'active', control: 'paused' } });
    await w.supervisor.control.resume(paused.id, 'ana', 'go');
    expect(await paused.ended).toEqual({ kind: 'completed', output: 1 });

    const long = await w.deploy(`{ name: 'b', async run({ sleep }) { await sleep(1e6) } }`);
    const killed = await w.submit(long);
    await park(w, killed.id);
    expect(await w.supervisor.control.kill(killed.id, 'ana', 'enough')).toMatchObject({ lifecycle: 'ended' });
    expect(await killed.ended).toMatchObject({ kind: 'killed', by: 'ana' });
  });

  test('goes with its parent', async () => {
    const w = await world();
    const version = await w.deploy(agentFile('family/sleeps-with-its-child'));
    const { id, ended } = await w.submit(version);
    await until(async () => (await w.store.runs({ parent: id })).length === 1);
    const [child] = await w.store.runs({ parent: id });
    await park(w, (child as NonNullable<typeof child>).record.id);
    await w.supervisor.control.kill(id, 'ana', 'enough');
    expect(await ended).toMatchObject({ kind: 'killed' });
    await until(async () => (await w.store.runs({ parent: id, ended: true })).length === 1);
  });

  test('that waits for messages is not taken for stalled while those who could write are parked too', async () => {
    const w = await world();
    const version = await w.deploy(agentFile('family/waits-for-a-late-word'));
    const { id, ended } = await w.submit(version);
    await until(async () => (await w.store.runs({ parent: id })).length === 1);
    await park(w, id);
    expect(await ended).toEqual({ kind: 'completed', output: 'late' });
  });

  test('frees the cell of a tenant that has nobody else', async () => {
    const w = await world();
    const { id } = await w.submit(await w.deploy(`{ name: 'a', async run({ sleep }) { await sleep(1e6) } }`));
    await park(w, id);
    await until(() => w.supervisor.cells().every((cell) => cell.tenant !== 'crew'));
    expect(await parked(w, id)).toBe(true);
  });

  test('waits in the store for its turn when memory is full', async () => {
    const w = await world([], { residency: { runs_in_memory: 4, sweep_ms: 20, park_after_ms: 10_000 } });
    const version = await w.deploy(`{ name: 'a', async run({ input, sleep }) { await sleep(20); return input } }`);
    const runs = await Promise.all(Array.from({ length: 40 }, (_, n) => w.submit(version, n)));
    expect(await Promise.all(runs.map((run) => run.ended))).toEqual(runs.map((_, n) => ({ kind: 'completed', output: n })));
    expect(Math.max(...w.seen.map(() => w.supervisor.runs().length))).toBeLessThanOrEqual(4);
  });
});

describe('a checkpoint', () => {
  const counter = `{ name: 'a', uses: { look: 'tool:look' }, async run({ state, caps, checkpoint, input }) {
    const n = state?.n ?? 0;
    await caps.look({ n });
    if (n < input.times) await checkpoint({ n: n + 1, random: Math.random() });
    return { n, random: state?.random, other: Math.random() };
  } }`;

  test('goes on as new with its state, keeps counting its calls, and needs nothing from before', async () => {
    const keys: string[] = [];
    const w = await world([readingTool('look', (_, { idempotency_key }) => keys.push(idempotency_key))]);
    const { id, ended } = await w.submit(await w.deploy(counter), { times: 3 });
    const outcome = await ended;
    expect(outcome).toMatchObject({ kind: 'completed', output: { n: 3 } });
    expect(keys).toEqual([1, 2, 3, 4].map((n) => `${id}:${n}`));
    const { random, other } = (outcome as unknown as { output: { random: number; other: number } }).output;
    expect(random).not.toBe(other);
  });

  test('is where a run that comes back begins', async () => {
    const doors = gate();
    const w = await world([readingTool('look', ({ n }) => (n === 2 ? doors.opened : undefined))]);
    const { id, ended } = await w.submit(await w.deploy(counter), { times: 3 });
    await w.until(id, (view) => view?.waiting === 'call' && view.calls === 3);
    // Each round is two cranks: the call, and its answer with the checkpoint.
    await until(async () => (await w.store.run(id))?.seq === 5);
    expect(await w.store.run(id)).toMatchObject({ checkpoint: 4 });
    await w.supervisor.park();
    doors.open();
    expect(await ended).toMatchObject({ kind: 'completed', output: { n: 3 } });
  });

  test('lets what came before it be forgotten: the chain still holds, and the run goes on', async () => {
    const doors = gate();
    const look = () => readingTool('look', ({ n }) => (n === 2 ? doors.opened : undefined));
    const w = await world([look()], { folder: await temporary() });
    const { id } = await w.submit(await w.deploy(counter), { times: 3 });
    await until(async () => (await w.store.run(id))?.seq === 5);
    await w.close();
    const store = await SqliteStore.open(join(w.folder, 'data'), { retention_ms: { crew: 0 } });
    expect(await store.gc(Date.now() + 1)).toMatchObject({ entries: 3 });
    expect((await store.verify()).damaged).toEqual([]);
    await expect(store.journal(id)).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_PRUNED' });
    await store.close();
    doors.open();
    const again = await world([look()], { folder: w.folder });
    expect(await again.supervisor.ended(id)).toMatchObject({ kind: 'completed', output: { n: 3 } });
  });

  test('is refused while something is under way', async () => {
    const w = await world([readingTool('look', () => 1)]);
    const outcome = await w.run(`{ name: 'a', uses: { look: 'tool:look' }, async run({ caps, checkpoint }) {
      const going = caps.look({});
      const refused = await checkpoint({}).catch((error) => error.code);
      await going;
      return refused;
    } }`);
    expect(outcome).toEqual({ kind: 'completed', output: 'CORRAL_CHECKPOINT_BUSY' });
  });

  test('keeps messages that nobody had read', async () => {
    const w = await world();
    const outcome = await w.run(agentFile('family/unread'));
    expect(outcome).toEqual({ kind: 'completed', output: ['second', 'b'] });
  });
});

describe('after a stop', () => {
  /** Stops the host and starts another one on the same folder. */
  async function again(w: World, ...tools: Tool[]): Promise<World> {
    await w.close();
    return world(tools, { folder: w.folder });
  }

  test('a run goes on where it was; parked ones stay in the store until something comes', async () => {
    const w = await world([], { folder: await temporary() });
    const version = await w.deploy(`{ name: 'a', async run({ input, sleep }) { await sleep(input.ms); return input.ms } }`);
    const far = await w.submit(version, { ms: 1e6 });
    await park(w, far.id);
    const near = await w.submit(version, { ms: 200 });
    const second = await again(w);
    expect(second.supervisor.runs().map((view) => view.id)).not.toContain(far.id);
    await until(async () => (await second.store.run(near.id))?.status.lifecycle === 'ended');
    expect(await second.store.run(near.id)).toMatchObject({ status: { outcome: { kind: 'completed', output: 200 } } });
    expect(await second.store.run(far.id)).toMatchObject({ parked: true, status: { lifecycle: 'active' } });
  });

  test('what was decided stays decided: refusals are not made again, and answers of people are kept', async () => {
    const doors = gate();
    const w = await world([tool('pay', () => doors.opened)], { folder: await temporary() });
    const version = await w.deploy(
      `{ name: 'a', uses: { pay: 'tool:pay' }, async run({ caps, sleep }) { const paid = await caps.pay({}); await sleep(100); return paid } }`,
    );
    const { id } = await w.submit(version);
    await w.until(id, (view) => view?.waiting === 'call');
    const second = await again(
      w,
      tool('pay', () => 'twice'),
    );
    await second.until(id, (view) => view?.waiting === 'resolution');
    // Paused, so that the answer is written down and the agent has not been given it when the host stops.
    await second.supervisor.control.pause(id, 'ana', 'look');
    await second.supervisor.control.resolve(id, 1, 'ana', { how: 'result', value: 'once' });
    const third = await again(
      second,
      tool('pay', () => 'thrice'),
    );
    await third.supervisor.control.resume(id, 'ana', 'go');
    await until(async () => (await third.store.run(id))?.status.lifecycle === 'ended');
    expect(await third.store.run(id)).toMatchObject({ status: { outcome: { kind: 'completed', output: 'once' } } });
    doors.open();
  });

  test('a cancel that was asked for is still asked for', async () => {
    const w = await world([], { folder: await temporary() });
    const version = await w.deploy(
      `{ name: 'a', async run({ signal, sleep }) { for (let i = 0; ; i++) { await sleep(50).catch(() => 0); if (signal.aborted) return 'tidy' } } }`,
    );
    const { id } = await w.submit(version);
    await w.until(id, (view) => view?.waiting === 'timer');
    await w.supervisor.control.pause(id, 'ana', 'look');
    await w.supervisor.control.cancel(id, 'ana', 'enough', 60_000);
    const second = await again(w);
    await second.supervisor.control.resume(id, 'ana', 'go');
    await until(async () => (await second.store.run(id))?.status.lifecycle === 'ended');
    expect(await second.store.run(id)).toMatchObject({ status: { outcome: { kind: 'completed', output: 'tidy' } } });
  });

  test('time in which no host was there counts towards no wall time', async () => {
    const w = await world([], { folder: await temporary() });
    const version = await w.deploy(`{ name: 'a', ceilings: { wall_ms: 60_000 }, async run({ sleep }) { await sleep(30_000); return 1 } }`);
    const { id } = await w.submit(version);
    await w.until(id, (view) => view?.waiting === 'timer');
    await w.close();
    const { clock, forward } = movableClock();
    forward(90_000);
    const second = await world([], { folder: w.folder, clock });
    await until(async () => (await second.store.run(id))?.status.lifecycle === 'ended');
    expect(await second.store.run(id)).toMatchObject({ status: { outcome: { kind: 'completed', output: 1 } } });
  });
});

/** The folder of a world, backed up and restored elsewhere. */
async function restored(w: World): Promise<string> {
  const copy = join(await temporary(), 'copy');
  await w.store.backup(copy, Date.now());
  await w.close();
  const folder = await temporary();
  restore(copy, join(folder, 'data'));
  // The keys are kept apart from what they open.
  await cp(join(w.folder, 'data', 'keys.json'), join(folder, 'data', 'keys.json'));
  return folder;
}

describe('a restored data folder', () => {
  const backedUp = async (source: string, tools: Tool[]) => {
    const w = await world(tools);
    const version = await w.deploy(source);
    const { id } = await w.submit(version);
    await w.until(id, (view) => view?.waiting === 'timer');
    return { id, folder: await restored(w) };
  };
  const PAYING = `{ name: 'a', uses: { pay: 'tool:pay' }, async run({ caps, sleep }) { await sleep(2000); return caps.pay({}) } }`;

  test('holds a run that might do again what it did after the backup, until somebody lets it go on', async () => {
    let paid = 0;
    const { id, folder } = await backedUp(PAYING, [tool('pay', () => (paid += 1))]);
    const before = paid;
    const w = await world([tool('pay', () => (paid += 1))], { folder });
    await w.until(id, (view) => view?.waiting === 'resolution');
    expect(paid).toBe(before);
    await w.supervisor.control.release(id, 'ana', 'the bank shows nothing');
    expect(await w.supervisor.ended(id)).toMatchObject({ kind: 'completed' });
    expect(paid).toBe(before + 1);
  });

  // Bug approved-again: a call that waited for people when the backup was made could be approved a second time, and was made.
  test('has no call approved that may have been approved after the backup, until somebody lets its run go on', async () => {
    let paid = 0;
    const tools = [tool('pay', () => (paid += 1))];
    const asking = `permit (principal, action, resource); @consequence("approval") forbid (principal, action in Action::"call", resource);`;
    const tenants = { crew: { tools, policies: { current: policiesOf(tools, asking) } } };
    const w = await world(tools, { tenants });
    const { id } = await w.submit(await w.deploy(`{ name: 'a', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({}) }`));
    const { call } = await openApproval(w);
    await park(w, id);
    const again = await world(tools, { tenants, folder: await restored(w) });
    const decide = (verdict: 'approve' | 'deny') => again.supervisor.control.decide(id, call, 'ana', verdict, 'known');
    await expect(decide('approve')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE', message: /corral release/ });
    expect(paid).toBe(0);
    await again.supervisor.control.release(id, 'ana', 'the bank shows nothing');
    await decide('approve');
    expect(await again.supervisor.ended(id)).toMatchObject({ kind: 'completed' });
    expect(paid).toBe(1);
  });

  test('lets a run go on that can do nothing it might not repeat', async () => {
    const reading = PAYING.replaceAll('pay', 'look');
    const { id, folder } = await backedUp(reading, [readingTool('look', () => 'seen')]);
    const w = await world([readingTool('look', () => 'seen')], { folder });
    expect(await w.supervisor.ended(id)).toEqual({ kind: 'completed', output: 'seen' });
  });
});
