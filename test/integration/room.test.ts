/** A full disk: what filled it can still be stopped, and ordinary work comes back by itself. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CorralError } from '@corral/protocol/errors';
import { SqliteStore } from '@corral/store/sqlite';
import { temporary } from '../world.ts';
import { commit, entry, live, record, runId } from './evidence.ts';
import { until } from '../until.ts';

const KILLED = { lifecycle: 'ended' as const, control: 'none' as const, waiting: 'nothing' as const, ended_at: 9 };
const outcome = { kind: 'killed' as const, by: 'ana', reason: 'enough' };
const event = (seq: number, what: object) => ({
  ...entry(seq),
  delivery: undefined,
  effects: undefined,
  decisions: [],
  event: what as never,
});

const refusal = async (work: Promise<unknown>): Promise<string | undefined> => {
  try {
    await work;
    return undefined;
  } catch (error) {
    return (error as CorralError).code;
  }
};

/** Ordinary work until there is no room for any, not even the smallest. @returns the last entry of run 1 */
async function fill(store: SqliteStore): Promise<number> {
  let seq = 2;
  for (const size of [60_000, 4_000, 1])
    for (;;) {
      if ((await refusal(store.commit(commit(1, seq, { value: `${seq}`.padEnd(size, 'y') })))) !== undefined) break;
      seq += 1;
    }
  return seq - 1;
}

/** All that stops runs, done to many of them; each must be taken. */
async function stopAll(store: SqliteStore, runs: readonly number[]): Promise<void> {
  const [paused, cancelled, ...killed] = runs;
  await store.commit(commit(paused as number, 2, { entry: event(2, { kind: 'control', control: 'paused', by: 'ana', reason: 'wait' }) }));
  await store.commit(commit(cancelled as number, 2, { entry: event(2, { kind: 'cancel', by: 'ana', reason: 'stop' }) }));
  for (const n of killed) await store.commit(commit(n, 2, { entry: event(2, { kind: 'ended', outcome }), status: { ...KILLED, outcome } }));
  await store.putQuarantine({ kind: 'tenant', name: 't', by: 'ana', reason: 'it filled the disk', at: 1 });
  await store.revoke('grant_000000000000' as never, 'ana', 'taken back', 1);
}

const changed = (store: SqliteStore, full: boolean): Promise<void> =>
  new Promise((resolve) => {
    if (store.full === full) return resolve();
    store.onFull((now) => now === full && resolve());
  });

const OTHERS = Array.from({ length: 20 }, (_, i) => i + 100);

describe('a store that is bounded', () => {
  test('keeps some of its pages for stopping runs, and gives them to nothing else', async () => {
    const folder = join(await temporary(), 'data');
    const store = await SqliteStore.open(folder, { max_bytes: 2 * 1024 * 1024 });
    for (const n of [1, ...OTHERS]) await live(store, n, 1);
    await live(store, 2, 80, { value: 'z'.repeat(3_800), end: 3 });
    const last = await fill(store);
    await changed(store, true);
    await stopAll(store, OTHERS);
    // The space that was kept back is in use now: ordinary work is refused, however small.
    expect(await refusal(store.commit(commit(1, last + 1)))).toBe('CORRAL_DISK_FULL');
    expect(await refusal(store.admit(record(900), [], 1))).toBe('CORRAL_DISK_FULL');
    expect(await store.run(runId(119))).toMatchObject({ status: { outcome } });
    expect(await store.run(runId(100))).toMatchObject({ seq: 2 });
    expect(await store.quarantines()).toMatchObject([{ name: 't' }]);
    // Space is made by forgetting; then ordinary work goes on by itself.
    await store.erase(runId(2), 5);
    expect((await store.gc(6)).entries).toBe(80);
    await changed(store, false);
    await store.commit(commit(1, last + 1));
    await live(store, 901, 1);
    expect((await store.verify()).damaged).toEqual([]);
    await store.close();
  });
});

describe('on a disk that is really full', () => {
  async function smallDisk(mib: number, skip: (why: string) => never): Promise<string> {
    const disk = await temporary();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'corral-test', disk], { stdio: 'ignore' });
    } catch {
      skip('mounting a small disk takes a privileged user');
    }
    onTestFinished(() => void execFileSync('umount', ['-l', disk]));
    return disk;
  }

  test(
    'runs are stopped with the space that was kept back, which is kept back again once there is some',
    { tags: 'long' },
    async ({ skip }) => {
      const at = await smallDisk(24, skip);
      const reserve = join(at, 'data', 'corral.reserve');
      const store = await SqliteStore.open(join(at, 'data'));
      for (const n of [1, ...OTHERS]) await live(store, n, 1);
      await until(() => existsSync(reserve));
      const size = statSync(reserve).size;
      expect(statSync(reserve).blocks * 512).toBeGreaterThanOrEqual(size);
      await writeFile(join(at, 'ballast'), Buffer.alloc(10 * 1024 * 1024, 1));
      const last = await fill(store);
      await changed(store, true);
      // Somebody else takes what little is left.
      await writeFile(join(at, 'more'), Buffer.alloc(8 * 1024 * 1024, 1)).catch(() => undefined);
      await stopAll(store, OTHERS);
      // A run that is paused and resumed again and again: each pause is taken, until what was kept back is in use, and then too.
      let seq = 3;
      const pause = () =>
        store.commit(commit(100, seq, { entry: event(seq++, { kind: 'control', control: 'paused', by: 'ana', reason: 'wait' }) }));
      // Ordinary work takes what room it gets meanwhile, such as that of the log when it is cut off.
      let next = last + 1;
      for (;;) {
        await pause();
        const code = await refusal(store.commit(commit(1, next, { value: `${next}`.padEnd(60_000, 'y') })));
        if (code === undefined) next += 1;
        else if (!existsSync(reserve)) break;
      }
      expect(await refusal(store.commit(commit(1, next)))).toBe('CORRAL_DISK_FULL');
      await pause();
      await rm(join(at, 'ballast'));
      await rm(join(at, 'more'), { force: true });
      await changed(store, false);
      expect(statSync(reserve).size).toBe(size);
      await store.commit(commit(1, next));
      expect((await store.verify()).damaged).toEqual([]);
      await store.close();
      const again = await SqliteStore.open(join(at, 'data'));
      for (const n of OTHERS.slice(2)) expect(await again.run(runId(n))).toMatchObject({ status: { lifecycle: 'ended' } });
      await again.close();
    },
  );

  test('a store opens all the same, so that what filled it can be stopped', async ({ skip }) => {
    const at = await smallDisk(24, skip);
    const first = await SqliteStore.open(join(at, 'data'));
    for (const n of [1, ...OTHERS]) await live(first, n, 1);
    await until(() => existsSync(join(at, 'data', 'corral.reserve')));
    await first.close();
    await writeFile(join(at, 'ballast'), Buffer.alloc(64 * 1024 * 1024, 1)).catch(() => undefined);
    const store = await SqliteStore.open(join(at, 'data'));
    await stopAll(store, OTHERS);
    expect(await store.run(runId(119))).toMatchObject({ status: { outcome } });
    await store.close();
  });

  const FILLERS = ['spare', 'ballast'] as const;
  /** Takes all that is left of a disk. A mebibyte of it can be given back by removing `spare`. */
  const cram = async (at: string) => {
    for (const [i, mib] of [1, 64].entries())
      await writeFile(join(at, FILLERS[i] as string), Buffer.alloc(mib * 1024 * 1024, 1)).catch(() => undefined);
  };
  const clear = async (at: string) => {
    for (const name of FILLERS) await rm(join(at, name), { force: true });
  };
  const isPaused = (store: SqliteStore, seq: number, control: 'paused' | 'none') =>
    store.commit(commit(100, seq, { entry: event(seq, { kind: 'control', control, by: 'ana', reason: 'wait' }) }));

  test(
    'what was kept back is kept back whole again, however often the disk fills up and hosts come and go',
    { tags: 'long' },
    async ({ skip }) => {
      const at = await smallDisk(24, skip);
      const reserve = join(at, 'data', 'corral.reserve');
      const kept = () => statSync(reserve, { throwIfNoEntry: false })?.size ?? 0;
      let store = await SqliteStore.open(join(at, 'data'));
      await live(store, 1, 1);
      await live(store, 100, 1);
      await until(() => existsSync(reserve));
      const size = kept();
      let [last, seq] = [1, 2];
      for (let cycle = 0; cycle < 3; cycle++) {
        await cram(at);
        // Stopping runs uses up the space that is kept back, bit by bit.
        while (existsSync(reserve)) await isPaused(store, seq++, 'paused');
        await store.close();
        await clear(at);
        await cram(at);
        await rm(join(at, 'spare'));
        // The next host finds the disk full, and nothing kept back: ordinary work is refused, and what stops runs is taken.
        store = await SqliteStore.open(join(at, 'data'));
        expect(store.full).toBe(true);
        expect(await refusal(store.commit(commit(1, last + 1)))).toBe('CORRAL_DISK_FULL');
        await isPaused(store, seq++, 'paused');
        if (cycle === 1) {
          await store.close();
          await clear(at);
          store = await SqliteStore.open(join(at, 'data'));
        } else await clear(at);
        await until(() => kept() >= size);
        await changed(store, false);
        await store.commit(commit(1, (last += 1)));
      }
      expect(kept()).toBe(size);
      await store.close();
    },
  );
});

describe('on a disk with room', () => {
  test('what an older host has kept back too little of grows to its whole size', async () => {
    const folder = join(await temporary(), 'data');
    const reserve = join(folder, 'corral.reserve');
    const kept = () => statSync(reserve, { throwIfNoEntry: false })?.size ?? 0;
    const keeps = (least: number) => until(() => kept() >= least);
    const first = await SqliteStore.open(folder);
    await keeps(1);
    const size = kept();
    await first.close();
    await writeFile(reserve, Buffer.alloc(1_000, 1));
    const store = await SqliteStore.open(folder);
    await keeps(size);
    expect(kept()).toBe(size);
    await store.close();
  });
});
