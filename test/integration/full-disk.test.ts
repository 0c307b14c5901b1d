/** A store whose disk is full: by its own limit, and by a disk that is really full. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SqliteStore } from '@corral/store/sqlite';
import { temporary } from '../world.ts';
import { ACTIVE, commit, live, opener, record, runId } from './evidence.ts';

describe('a full disk', () => {
  test('refuses new work with the reason, keeps what was accepted, and is over once there is space', async () => {
    const { open } = await opener();
    const max_bytes = 512 * 1024;
    const store = await open({ max_bytes });
    await live(store, 1, 3);
    await live(store, 2, 20, { value: 'y'.repeat(3_000), end: 1 });
    let refusal: unknown;
    let accepted = 3;
    for (let n = 10; refusal === undefined; n++) {
      // Different each time, so that none is stored for another.
      await store.admit(record(n, { input: `${n}`.repeat(3_000) }), [], 1).catch((error: unknown) => (refusal = error));
      if (refusal === undefined) accepted += 1;
    }
    expect(refusal).toMatchObject({ code: 'CORRAL_DISK_FULL', retryable: true });
    expect(await store.journal(runId(1))).toHaveLength(3);
    expect(await store.runs({})).toHaveLength(accepted - 1);
    expect((await store.verify()).damaged).toEqual([]);

    await store.erase(runId(2), 5);
    expect((await store.gc(5)).entries).toBe(20);
    await live(store, 900, 2, { value: 'z'.repeat(3_000) });
    await store.commit(commit(1, 4));
    await store.close();
    const again = await open({ max_bytes });
    expect(await again.journal(runId(1))).toHaveLength(4);
    expect(await again.journal(runId(900))).toHaveLength(2);
    await again.close();
  });

  test('a small commit still goes through beside one that is too large', async () => {
    const { open } = await opener();
    const store = await open({ max_bytes: 512 * 1024 });
    await live(store, 1, 1);
    await live(store, 2, 1);
    const results = await Promise.allSettled([
      store.commit(commit(1, 2)),
      // Random, since what repeats itself is stored once: two million times one letter would have room.
      store.commit(commit(2, 2, { value: randomBytes(1_000_000).toString('hex') })),
      store.commit(commit(1, 3, { status: ACTIVE })),
    ]);
    expect(results).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'CORRAL_DISK_FULL' } },
      { status: 'fulfilled' },
    ]);
    expect(await store.journal(runId(1))).toHaveLength(3);
    expect(await store.journal(runId(2))).toHaveLength(1);
    await store.close();
  });
});

/** Mounts a disk of this many MiB, or says that it may not. */
function smallDisk(at: string, mib: number): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'corral-test', at], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('on a disk that is really full, what was accepted is there, and work goes on in the same process once there is space', async ({
  skip,
}) => {
  const disk = await temporary();
  if (!smallDisk(disk, 6)) skip('mounting a small disk takes a privileged user');
  onTestFinished(() => void execFileSync('umount', [disk]));
  const store = await SqliteStore.open(join(disk, 'data'));
  await live(store, 1, 3);
  await writeFile(join(disk, 'ballast'), Buffer.alloc(1024 * 1024));
  let accepted = 3;
  let refusal: unknown;
  while (refusal === undefined) {
    const next = commit(1, accepted + 1, { value: 'y'.repeat(2_000) });
    await store.commit(next).catch((error: unknown) => (refusal = error));
    if (refusal === undefined) accepted += 1;
  }
  expect(refusal).toMatchObject({ code: 'CORRAL_DISK_FULL' });
  await expect(store.admit(record(2, { input: 'z'.repeat(4_000) }), [], 1)).rejects.toMatchObject({ code: 'CORRAL_DISK_FULL' });
  expect(await store.journal(runId(1))).toHaveLength(accepted);
  await rm(join(disk, 'ballast'));
  await store.commit(commit(1, accepted + 1, { value: 'y'.repeat(2_000) }));
  await live(store, 2, 1);
  await store.close();
  const again = await SqliteStore.open(join(disk, 'data'));
  expect(await again.journal(runId(1))).toHaveLength(accepted + 1);
  expect((await again.verify()).damaged).toEqual([]);
  await again.close();
});
