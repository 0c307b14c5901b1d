/** Races that once went wrong, each with the name of its bug. */
import { describe, expect, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import { gate, readingTool, tool, world, type World } from '../world.ts';
import { movableClock } from '../clock.ts';
import { until } from '../until.ts';
import { agentFile } from '../agents/file.ts';

/** Makes every commit fail, as on a full disk, until the returned function is called. */
function fillDisk(w: World): () => void {
  const commit = w.store.commit.bind(w.store);
  w.store.commit = () => Promise.reject(new CorralError('CORRAL_DISK_FULL', 'There is no space left.'));
  return () => (w.store.commit = commit);
}

describe('a full disk', () => {
  // Bug receipt-before-durable.
  test('makes a kill fail instead of giving a receipt for what is not durable, and the run does not go on', async () => {
    let calls = 0;
    const w = await world([readingTool('look', () => (calls += 1))]);
    const { id, ended } = await w.submit(
      await w.deploy(
        `{ name: 'a', uses: { look: 'tool:look' }, async run({ caps, sleep }) { for (let i = 0; ; i++) { await caps.look({ i }); await sleep(20) } } }`,
      ),
    );
    await until(() => calls > 3);
    await w.until(id, (view) => view?.waiting === 'timer');
    const free = fillDisk(w);
    await expect(w.supervisor.control.kill(id, 'ana', 'enough')).rejects.toMatchObject({ code: 'CORRAL_DISK_FULL' });
    const before = calls;
    free();
    expect(await ended).toMatchObject({ kind: 'killed', by: 'ana' });
    expect(calls).toBe(before);
  });

  // Bug parked-with-a-refused-crank, seed 82820944230.
  test('parks no run with the crank that it refused, whenever the host parks', { tags: 'long' }, async () => {
    const w = await world([]);
    const { id, ended } = await w.submit(
      await w.deploy(
        `{ name: 'a', async run({ sleep, emit }) { for (let i = 0; i < 8; i++) { await sleep(20); emit('step', i); } return 'done' } }`,
      ),
    );
    const commit = w.store.commit.bind(w.store);
    const parked: (number | undefined)[] = [];
    const park = w.store.park.bind(w.store);
    w.store.park = (run, seen, deadline, saved, still) => {
      if (run === id) parked.push((JSON.parse(saved ?? '{}') as { seq?: number }).seq);
      return park(run, seen, deadline, saved, still);
    };
    let refusals = 0;
    let durable = 0;
    w.store.commit = (one) => {
      if (one.run === id && one.entry.seq === 2 + refusals && refusals < 6) {
        const ticks = refusals++;
        const refused = Promise.reject(new CorralError('CORRAL_DISK_FULL', 'There is no space left.'));
        // The host parks idle runs, a number of microtasks after the refusal.
        refused.catch(async () => {
          for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
          void w.supervisor.park();
        });
        return refused;
      }
      if (one.run === id) durable = one.entry.seq;
      return commit(one);
    };
    expect(await ended).toEqual({ kind: 'completed', output: 'done' });
    expect(refusals).toBe(6);
    expect(parked.filter((seq) => seq !== undefined && seq > durable)).toEqual([]);
    expect((await w.store.journal(id)).map(({ seq }) => seq)).toEqual(Array.from({ length: durable }, (_, i) => i + 1));
  });

  // Bug full-disk.
  test('keeps accepted work, refuses new work, and is recovered from', async () => {
    const w = await world([tool('pay', () => 'paid')]);
    const version = await w.deploy(
      `{ name: 'a', uses: { pay: 'tool:pay' }, async run({ caps, sleep }) { await sleep(50); return caps.pay({}) } }`,
    );
    const { id, ended } = await w.submit(version);
    await w.until(id, (view) => view?.waiting === 'timer');
    const admit = w.store.admit.bind(w.store);
    w.store.admit = () => Promise.reject(new CorralError('CORRAL_DISK_FULL', 'There is no space left.'));
    const free = fillDisk(w);
    await expect(w.submit(version)).rejects.toMatchObject({ code: 'CORRAL_DISK_FULL' });
    await until(() => w.seen.some((seen) => seen.kind === 'refused' && seen.run === id));
    free();
    w.store.admit = admit;
    expect(await ended).toEqual({ kind: 'completed', output: 'paid' });
  });
});

// Bug purse-given-back-twice.
test('what a grandchild may still spend is not given back twice', async () => {
  let calls = 0;
  const w = await world([readingTool('look', () => (calls += 1))]);
  await w.run(agentFile('family/spends-of-three-generations'));
  expect(calls).toBeLessThanOrEqual(20);
});

// Bug capabilities-lost-with-a-sibling.
test('a run keeps its capabilities when a sibling that shares their origin leaves memory', async () => {
  const { clock, forward } = movableClock();
  const w = await world([readingTool('look', ({ n }) => n)], { clock });
  const version = await w.deploy(agentFile('family/siblings'));
  const { id, ended } = await w.submit(version);
  const kids = () => w.store.runs({ parent: id });
  await until(async () => (await kids()).length === 2);
  const everybody = async () => [id, ...(await kids()).map((run) => run.record.id)];
  const allParked = async () => {
    for (const one of await everybody()) if ((await w.store.run(one))?.parked !== true) return false;
    return true;
  };
  await until(async () => {
    await w.supervisor.park();
    return allParked();
  });
  forward(100_000);
  await until(async () => (await kids()).some(({ status }) => status.lifecycle === 'ended'), 'the first child has ended');
  expect((await kids()).filter(({ parked, status }) => parked && status.lifecycle !== 'ended')).toHaveLength(1);
  forward(100_000);
  expect(await ended).toEqual({ kind: 'completed', output: [100_000, 200_000] });
});

// Bug cell-left-behind.
test('a host that stops leaves no cell behind, and ends nobody', async () => {
  const w = await world([], { spares: 0 });
  const version = await w.deploy(`{ name: 'a', ceilings: { crank_cpu_ms: 10000 }, run() { for (;;); } }`);
  const { id } = await w.submit(version);
  await w.until(id, (view) => view?.on_cpu === true && view.crank_age_ms > 100);
  await w.close();
  await until(() => !w.supervisor.cells().some((cell) => cell.ready), 'no cell is left');
  const again = await world([], { folder: w.folder });
  expect(await again.store.run(id)).toMatchObject({ status: { lifecycle: 'active' } });
  await again.supervisor.control.kill(id, 'test', 'over');
});

// Bug paused-and-resumed-at-once.
test('a run that was paused and resumed at once goes on', async () => {
  const w = await world([], { cellsPerTenant: 1 });
  const version = await w.deploy(
    `{ name: 'a', ceilings: { crank_cpu_ms: 2000 }, async run({ sleep }) { for (let i = 0; i < 40; i++) { const t = i; for (let k = 0; k < 3e5; k++); await sleep(0) } return 'over' } }`,
  );
  const runs = await Promise.all([w.submit(version), w.submit(version), w.submit(version)]);
  for (let i = 0; i < 10; i++) {
    const { id } = runs[i % 3] as (typeof runs)[number];
    if (w.supervisor.view(id) === undefined) break;
    const [paused] = await Promise.allSettled([w.supervisor.control.pause(id, 'ana', 'a'), w.supervisor.control.resume(id, 'ana', 'b')]);
    if (paused.status === 'fulfilled') await w.supervisor.control.resume(id, 'ana', 'c').catch(() => undefined);
  }
  expect(await Promise.all(runs.map((run) => run.ended))).toEqual(runs.map(() => ({ kind: 'completed', output: 'over' })));
});

// Bug busy-checkpoint-is-a-violation.
test('a checkpoint after a call was given up is told to wait for it, and is no violation', async () => {
  const doors = gate();
  const w = await world([readingTool('wait', () => doors.opened.then(() => 1))]);
  const version = await w.deploy(agentFile('crew/checkpoint-while-busy'));
  const { id, ended } = await w.submit(version);
  await until(async () => (await w.store.journal(id)).length >= 2, 'the call has been given up, and the checkpoint was asked for');
  doors.open();
  expect(await ended).toEqual({ kind: 'completed', output: 'second' });
});

// Bug ended-by-its-own-replay.
test('a run with a long history is not ended by its own replay', async () => {
  const w = await world([readingTool('look', () => 1)]);
  const version = await w.deploy(
    `{ name: 'a', uses: { look: 'tool:look' }, ceilings: { crank_cpu_ms: 3000 }, async run({ caps, sleep }) { for (let i = 0; i < 12; i++) { for (let k = 0; k < 4e7; k++); await caps.look({ i }) } await sleep(100); return 'over' } }`,
  );
  const { id, ended } = await w.submit(version);
  await w.until(id, (view) => view?.waiting === 'timer');
  await w.supervisor.park();
  expect(await ended).toEqual({ kind: 'completed', output: 'over' });
});
