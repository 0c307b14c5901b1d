/** A host whose disk is full: it says so, takes no new work, and what filled the disk is stopped by the people who operate it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { front, HELLO, shortFolder, SLEEP } from '../front.ts';
import { until } from '../until.ts';

/** Writes as much as it can, for ever. */
const FILLER = `{ name: 'filler', budget: { cpu_ms: 600000 }, ceilings: { journal_bytes: 536870912, log_bytes: 1048576 }, run: async ({ sleep, emit }) => {
  for (let i = 0; ; i++) { emit('noise', { i, text: (Math.random() + 'x').repeat(1500) }); await sleep(1); } } }`;

test('a host on a full disk says so, and what filled it is stopped; work goes on once there is space', async ({ skip }) => {
  const disk = await shortFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'corral-test', disk], { stdio: 'ignore' });
  } catch {
    skip('mounting a small disk takes a privileged user');
  }
  onTestFinished(() => void execFileSync('umount', ['-l', disk]));
  mkdirSync(join(disk, 'd'));
  const { admin, deploy, host } = await front({ data: join(disk, 'd') });
  await deploy(SLEEP);
  await deploy(HELLO);
  await deploy(FILLER);
  const sleepers: string[] = [];
  for (let i = 0; i < 4; i++) sleepers.push((await admin.submitRun({ body: { agent: 'sleeper' } })).run);
  const { run: filler } = await admin.submitRun({ body: { agent: 'filler' } });
  await until(async () => (await admin.ready({})).runs >= 5);
  const heard: string[] = [];
  const stop = host.door.feed.listen(({ kind }) => heard.push(kind));
  onTestFinished(stop);

  await until(async () => {
    await writeFile(join(disk, `ballast-${Date.now()}`), Buffer.alloc(512 * 1024, 1)).catch(() => undefined);
    return !(await admin.ready({})).ready;
  });
  expect(await admin.ready({})).toMatchObject({ ready: false, reasons: [{ reason: 'disk_full' }] });
  expect(heard).toContain('host.disk_full');
  await expect(admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } })).rejects.toMatchObject({ code: 'CORRAL_DISK_FULL' });
  // Fills the disk to the last byte, in one go: the host frees its reserve when it next writes, and nothing here may take that space.
  // Where it has freed the reserve already, the disk was full before.
  try {
    if (existsSync(join(disk, 'd', 'corral.reserve'))) writeFileSync(join(disk, 'rest'), Buffer.alloc(64 * 1024 * 1024, 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }

  const act = async (operation: 'pause' | 'cancel' | 'kill', run: string) => {
    const { receipts, refused } = await admin.operate({ body: { operation, target: { run: run as never }, reason: 'the disk is full' } });
    expect({ operation, refused, receipts: receipts.length }).toEqual({ operation, refused: [], receipts: 1 });
  };
  await act('kill', filler);
  await act('pause', sleepers[0] as string);
  await act('cancel', sleepers[1] as string);
  await act('kill', sleepers[2] as string);
  await admin.putQuarantine({ body: { kind: 'agent', name: 'filler', reason: 'it fills the disk' } as never });
  expect(await admin.showRun({ params: { run: filler } })).toMatchObject({ ended_as: 'killed' });
  expect((await admin.listOperations({})).items.map(({ operation }) => operation)).toEqual(
    expect.arrayContaining(['kill', 'pause', 'cancel']),
  );

  execFileSync('sh', ['-c', `rm -f ${disk}/ballast-* ${disk}/rest`]);
  await rm(join(disk, 'rest'), { force: true });
  await until(async () => (await admin.ready({})).ready);
  expect(heard).toContain('host.disk_free');
  const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'A' } } });
  expect(await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({ ended_as: 'completed' });
  expect((await admin.verifyJournals({ body: {} })).damaged).toEqual([]);
});
