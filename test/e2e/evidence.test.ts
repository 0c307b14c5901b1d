/** The commands on evidence, each at a host that is up and on a folder that no host answers for. */
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SqliteStore } from '@corral/store/sqlite';
import { corral } from '../command.ts';
import { live, runId } from '../integration/evidence.ts';
import { front, shortFolder } from '../front.ts';
import { temporary } from '../world.ts';

const COUNT = `{ name: 'count', run: async ({ input, sleep }) => { for (let i = 0; i < input.to; i++) await sleep(1); return { sum: input.to }; } }`;

test('at a host that is up, and on its folder once it is down, a journal is the same', async () => {
  const { admin, data, deploy, host } = await front();
  await deploy(COUNT);
  const { run } = await admin.submitRun({ body: { agent: 'count', input: { to: 2 } } });
  await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  const journal = () => corral(['journal', run, '--data', data]);
  const up = await journal();
  expect(up).toMatchObject({ code: 0, out: expect.stringMatching(/start \{"to":2\}[\s\S]*→ finish \{"sum":2\}/) as string });
  await host.close(2_000);
  expect(await journal()).toEqual(up);
});

test('at a host that is up, and on its folder once it is down, all of them say the same', { tags: 'long' }, async () => {
  const { admin, data, deploy, host } = await front();
  await deploy(COUNT);
  const runs: string[] = [];
  for (const to of [2, 2, 3]) {
    const { run } = await admin.submitRun({ body: { agent: 'count', input: { to } } });
    await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    runs.push(run);
  }
  const [first = '', , third = ''] = runs;
  const on = (...args: string[]) => corral([...args, '--data', data]);
  const looks = async () => [
    await on('verify'),
    await on('verify', first, '--json'),
    await on('journal', first),
    await on('journal', first, '--after', '2'),
    await on('diff', first, third),
    await on('erase', first, '-m', 'why', '--dry-run', '--json'),
    await on('gc', '--dry-run', '--json'),
  ];
  const up = await looks();
  expect(up.map(({ code }) => code)).toEqual([0, 0, 0, 0, 1, 0, 0]);
  expect(up[2]?.out).toMatch(/count {2}completed[\s\S]*start \{"to":2\}[\s\S]*→ finish \{"sum":2\}/);
  const replayed = await on('replay', first);
  expect(replayed).toMatchObject({ code: 0, out: expect.stringContaining('3 cranks replayed the same') as string });
  expect(await on('fork', first, '--at', '1', '--input', '{"to":4}')).toMatchObject({
    code: 0,
    out: expect.stringContaining('forked') as string,
  });
  expect(await on('erase', first)).toMatchObject({ code: 2, err: expect.stringContaining('-m') as string });
  expect(await on('erase', third, '-m', 'ticket 1')).toMatchObject({ code: 0, out: expect.stringContaining('is erased') as string });
  expect(await on('gc', '-m', 'now', '--json')).toMatchObject({ code: 0, out: expect.stringMatching(/"runs": 1/) as string });
  expect(await on('gc', '--retention', 'local=1s')).toMatchObject({ code: 2, err: expect.stringContaining('configuration') as string });
  const { items } = await admin.listOperations({});
  expect(items.map(({ operation, reason }) => [operation, reason])).toEqual([
    ['collect', 'now'],
    ['erase', 'ticket 1'],
    ['fork', ''],
    ['deploy', ''],
    ['start', ''],
    ['apply-config', 'the host starts with it'],
  ]);
  const folder = await shortFolder();
  const backup = ['backup', join(folder, 'b'), '--keys', join(folder, 'k.json')];
  expect(await on(...backup)).toMatchObject({ code: 0, out: expect.stringContaining('corral.db and front.db') as string });
  const before = await looks();
  await host.close(2_000);
  const after = await looks();
  // The stop of the host is on record too: the one leaf that the folder has more.
  const leaves = (said: typeof up) => Number(/record: (\d+) leaves/.exec(said[0]?.out ?? '')?.[1]);
  expect(leaves(after)).toBe(leaves(before) + 1);
  const RECORD = /record: \d+ leaves|head: \S+|"size": \d+|"hash": "\w+"/g;
  const text = (said: typeof up) => said.map(({ code, out }) => ({ code, out: out.replaceAll(RECORD, 'the record') }));
  // The run that was compared is erased by now, both ways.
  expect(before.map(({ code }) => code)).toEqual([0, 0, 0, 0, 2, 0, 0]);
  expect(text(after).slice(0, 4)).toEqual(text(before).slice(0, 4));
  expect(text(after).slice(5)).toEqual(text(before).slice(5));
  expect(text(before).slice(2, 4)).toEqual(text(up).slice(2, 4));
  expect(await on('replay', first)).toMatchObject({ code: 0, out: expect.stringContaining('3 cranks replayed the same') as string });
  // The runs that came back from the backup that was made meanwhile.
  expect(await corral(['restore', join(folder, 'b'), '--data', join(folder, 'd'), '--keys', join(folder, 'k.json')])).toMatchObject({
    code: 0,
  });
  const again = await front({ data: join(folder, 'd') });
  const restored = (await again.admin.listOperations({})).items.map(({ operation }) => operation);
  // The configuration is that of before: only the start is new.
  expect(restored).toEqual(['start', 'collect', 'erase', 'fork', 'deploy', 'start', 'apply-config']);
  expect((await again.admin.listAgents({})).items).toMatchObject([{ agent: 'count' }]);
});

describe('a copy that cannot be written to', () => {
  /** A folder with a store in it, on a disk that is then made read-only. */
  async function readOnly(prepare: (data: string) => Promise<void>): Promise<string | undefined> {
    const disk = await temporary();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'corral-test', disk], { stdio: 'ignore' });
    } catch {
      return undefined;
    }
    onTestFinished(() => void execFileSync('umount', [disk]));
    const data = join(disk, 'data');
    await mkdir(data);
    await prepare(data);
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    return data;
  }

  test('is verified, read and compared where it lies', async ({ skip }) => {
    const data = await readOnly(async (at) => {
      const store = await SqliteStore.open(at);
      for (const n of [1, 2]) await live(store, n, 3, { value: 'x'.repeat(5_000), end: 9 });
      await store.close();
    });
    if (data === undefined) skip('mounting a small disk takes a privileged user');
    const names = readdirSync(data as string);
    const on = (...args: string[]) => corral([...args, '--data', data as string]);
    expect(await on('verify')).toMatchObject({ code: 0, out: expect.stringContaining('2 runs, 6 entries') as string });
    expect(await on('verify', '--tenant', 'nobody')).toMatchObject({ code: 3, err: expect.stringContaining('nobody') as string });
    expect(await on('journal', runId(1))).toMatchObject({ code: 0 });
    expect(await on('erase', runId(1), '--dry-run', '--json')).toMatchObject({
      code: 0,
      out: expect.stringContaining('"entries": 3') as string,
    });
    expect(await on('erase', runId(1))).toMatchObject({ code: 3, err: expect.stringContaining('CORRAL_DATA_UNUSABLE') as string });
    expect(readdirSync(data as string)).toEqual(names);
  });

  test('of a host that was writing is read with its log, where the log’s index came along; without it, what to do is said', async ({
    skip,
  }) => {
    const parent = await temporary();
    const store = await SqliteStore.open(join(parent, 'data'));
    await live(store, 1, 4, { value: 'x'.repeat(5_000) });
    const copies: (string | undefined)[] = [];
    for (const index of [true, false])
      copies.push(
        await readOnly(async (at) => {
          for (const name of ['corral.db', 'corral.db-wal', 'keys.json', ...(index ? ['corral.db-shm'] : [])])
            await cp(join(parent, 'data', name), join(at, name));
        }),
      );
    await store.close();
    const [whole, without] = copies;
    if (whole === undefined || without === undefined) skip('mounting a small disk takes a privileged user');
    expect(await corral(['verify', '--data', whole as string])).toMatchObject({
      code: 0,
      out: expect.stringContaining('1 run, 4 entries') as string,
    });
    expect(await corral(['verify', '--data', without as string])).toMatchObject({
      code: 3,
      err: expect.stringContaining('write-ahead log') as string,
    });
  });

  test('is one whose folder is not ours, too', async ({ skip }) => {
    if (process.getuid?.() === 0) skip('nothing is closed to this user');
    const parent = await temporary();
    const data = join(parent, 'data');
    const store = await SqliteStore.open(data);
    await live(store, 1, 3);
    await store.close();
    chmodSync(data, 0o500);
    onTestFinished(() => chmodSync(data, 0o700));
    expect(await corral(['verify', '--data', data])).toMatchObject({ code: 0 });
  });
});
