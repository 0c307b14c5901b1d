/** Work on a data folder from the command line. */
import { mkdir, writeFile } from 'node:fs/promises';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SqliteStore } from '@corral/store/sqlite';
import { corral as command, CORRAL, start } from '../command.ts';
import { databaseOf } from '../database.ts';
import { front, HELLO, SLEEP } from '../front.ts';
import { live, runId } from '../integration/evidence.ts';
import { temporary } from '../world.ts';

const corral = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => start([...CORRAL, ...args], { env }).said;
const json = async (args: readonly string[]) => {
  const { code, out } = await corral([...args, '--json']);
  return { code, said: JSON.parse(out) as Record<string, unknown> };
};

/** A folder with a run that has ended and one that has not. */
async function folder(): Promise<{ data: string; beside: (name: string) => string }> {
  const parent = await temporary();
  const data = join(parent, 'data');
  const store = await SqliteStore.open(data);
  await live(store, 1, 3, { value: 'x'.repeat(1_000), end: 1_000 });
  await live(store, 2, 2);
  await store.close();
  return { data, beside: (name) => join(parent, name) };
}

describe('a data folder that nobody holds', () => {
  test('is verified; a damaged run is named and is the exit code', async () => {
    const { data } = await folder();
    expect(await corral(['verify', '--data', data])).toMatchObject({
      code: 0,
      out: expect.stringContaining('2 runs, 5 entries, 0 of them') as string,
    });
    const db = databaseOf(data);
    db.exec('DELETE FROM journal WHERE run = 1 AND seq = 2');
    db.close();
    expect(await corral(['verify', '--data', data])).toMatchObject({
      code: 1,
      out: expect.stringMatching(new RegExp(`${runId(1)} +2 +gap`)) as string,
    });
    expect(await json(['verify', runId(1), '--data', data])).toMatchObject({
      code: 1,
      said: { damaged: [{ run: runId(1), entry: 2, problem: 'gap' }] },
    });
    expect(await json(['verify', runId(2), '--data', data])).toMatchObject({ code: 0, said: { runs: 1, damaged: [] } });
  });

  test('forgets a run that is erased, and gives its space back', async () => {
    const { data } = await folder();
    expect(await json(['erase', runId(2), '--data', data])).toMatchObject({ code: 2, said: { error: { code: 'CORRAL_RUN_STATE' } } });
    expect(await corral(['erase', runId(1), '--data', data])).toMatchObject({
      code: 0,
      out: expect.stringContaining('is erased') as string,
    });
    expect(await json(['gc', '--data', data])).toMatchObject({ code: 0, said: { runs: 1, entries: 3 } });
    expect(await json(['verify', '--data', data])).toMatchObject({ code: 0, said: { entries: 5, forgotten: 3 } });
  });

  test('lets go of journals after the retention it is told', { tags: 'long' }, async () => {
    const { data } = await folder();
    for (const unknown of [
      ['gc', '--retention', 't=1s', '--retention', 'other=1s'],
      ['gc', '--dry-run', '--retention', 'other=1s'],
      ['gc', '--tenant', 'other'],
      ['verify', '--tenant', 'other'],
    ])
      expect(await json([...unknown, '--data', data])).toMatchObject({
        code: 3,
        said: { error: { code: 'CORRAL_TENANT_UNKNOWN', message: 'This folder has no runs of a tenant other.' } },
      });
    // Nothing was taken away, not even of the one that was named right.
    expect(await json(['gc', '--data', data, '--dry-run', '--retention', 't=1d'])).toMatchObject({ said: { runs: 1 } });
    expect(await corral(['gc', '--data', data, '--retention', 't=1d'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/RUNS.*\n +1 +3/) as string,
    });
    expect(await corral(['gc', '--data', data, '--retention', 't=soon'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('TENANT=30d') as string,
    });
  });

  test('is backed up without its keys, and restored with them', async () => {
    const { data, beside } = await folder();
    const backup = ['backup', beside('b'), '--data', data, '--keys', beside('keys.json')];
    expect(await corral(backup)).toMatchObject({ code: 0, out: expect.stringContaining('keep them apart') as string });
    expect(readdirSync(beside('b')).sort()).toEqual(['backup.json', 'corral.db']);
    expect(statSync(beside('keys.json')).mode & 0o777).toBe(0o600);
    expect(await corral(backup)).toMatchObject({ code: 2, err: expect.stringContaining('exists already') as string });
    expect(await json(['restore', beside('b'), '--data', data])).toMatchObject({
      code: 3,
      said: { error: { code: 'CORRAL_FOLDER_NOT_EMPTY' } },
    });
    expect(await json(['restore', beside('b'), '--data', beside('again'), '--keys', beside('keys.json')])).toMatchObject({
      code: 0,
      said: { held: 1 },
    });
    expect(await json(['verify', '--data', beside('again')])).toMatchObject({ code: 0, said: { runs: 2 } });
    await mkdir(beside('empty'));
    expect(await json(['restore', beside('empty'), '--data', beside('no')])).toMatchObject({
      code: 3,
      said: { error: { code: 'CORRAL_BACKUP_INVALID' } },
    });
  });

  test('takes its keys from the environment where they are there, and says what is wrong with them', async () => {
    const data = join(await temporary(), 'data');
    const key = (byte: number) => ({ CORRAL_MASTER_KEY: Buffer.alloc(32, byte).toString('base64') });
    const store = await SqliteStore.open(data, { keys: { kind: 'master', keys: key(1).CORRAL_MASTER_KEY } });
    await live(store, 1, 1);
    await store.close();
    expect(await corral(['verify', '--data', data], key(1))).toMatchObject({ code: 0 });
    expect(await corral(['verify', '--data', data], key(2))).toMatchObject({
      code: 3,
      err: expect.stringContaining('CORRAL_KEYS_WRONG') as string,
    });
    expect(await corral(['verify', '--data', data])).toMatchObject({
      code: 3,
      err: expect.stringContaining('CORRAL_KEYS_MISSING') as string,
    });
    expect(readdirSync(data)).not.toContain('keys.json');
  });
});

describe('every command that opens a data folder by itself', () => {
  const NOTHING = 'run_999999999999';
  const commands = (file: string): readonly (readonly string[])[] => [
    ['verify'],
    ['verify', NOTHING],
    ['erase', NOTHING],
    ['gc'],
    ['backup', `${file}-backup`],
    ['journal', NOTHING],
    ['replay', NOTHING],
    ['diff', NOTHING, NOTHING],
    ['fork', NOTHING, '--at', '1', '--no-go'],
    ['upgrade', NOTHING, file],
    ['upgrade-check', 'a', file],
    ['resolve', NOTHING, '1', '--retry', '-m', 'looked'],
    ['release', NOTHING, '-m', 'looked'],
    ['policy', 'why', NOTHING, '1'],
  ];

  test('opens it with the master key of the environment', { tags: 'long' }, async () => {
    const parent = await temporary();
    const data = join(parent, 'data');
    const env = { CORRAL_MASTER_KEY: Buffer.alloc(32, 1).toString('base64') };
    const store = await SqliteStore.open(data, { keys: { kind: 'master', keys: env.CORRAL_MASTER_KEY } });
    await live(store, 1, 1);
    await store.close();
    const agent = join(parent, 'agent.ts');
    await writeFile(agent, `import { defineAgent } from '@corral/guest';\nexport default defineAgent({ name: 'a', run: () => 1 });\n`);
    for (const command of commands(agent)) {
      const { err, out } = await corral([...command, '--data', data], env);
      expect(`${command.join(' ')}: ${err}${out}`).not.toMatch(/CORRAL_KEYS|CORRAL_DATA_/);
    }
    expect(readdirSync(data)).not.toContain('keys.json');
  });

  test('says the same of one that is not there, and makes none', { tags: 'long' }, async () => {
    const parent = await temporary();
    const data = join(parent, 'nowhere');
    const agent = join(parent, 'agent.ts');
    await writeFile(agent, `import { defineAgent } from '@corral/guest';\nexport default defineAgent({ name: 'a', run: () => 1 });\n`);
    for (const command of commands(agent))
      expect({ command, ...(await corral([...command, '--data', data])) }).toMatchObject({
        code: 3,
        err: expect.stringContaining('CORRAL_DATA_UNUSABLE') as string,
      });
    expect(readdirSync(parent)).toEqual(['agent.ts']);
  });
});

test('a data folder that is not there, or is in use, is left alone', async () => {
  const { data, beside } = await folder();
  expect(await corral(['verify', '--data', beside('nowhere')])).toMatchObject({
    code: 3,
    err: expect.stringContaining('CORRAL_DATA_UNUSABLE') as string,
  });
  const store = await SqliteStore.open(data);
  expect(await corral(['erase', runId(1), '--data', data])).toMatchObject({
    code: 3,
    err: expect.stringContaining('CORRAL_DATA_LOCKED') as string,
  });
  await store.close();
  expect(await corral(['erase', 'run_1', '--data', data])).toMatchObject({
    code: 2,
    err: expect.stringContaining('is not the id of a run') as string,
  });
});

describe('the runs of a folder whose host is down', () => {
  test('are those that its host listed', async () => {
    const { data, deploy, admin, host } = await front();
    await deploy(HELLO);
    const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'Ada' } } });
    await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    await host.close(2_000);
    const { out, err } = await command(['ps', '--all', '--data', data]);
    expect(out).toMatch(new RegExp(`^${run} +hello +completed`, 'm'));
    expect(err).toContain(`no host is up on ${data}`);
  });

  test('are found by the same filters as at their host, and without erased ones', { tags: 'long' }, async () => {
    const { data, deploy, admin, host } = await front();
    await deploy(HELLO);
    await deploy(SLEEP);
    const runs = [];
    for (const agent of ['hello', 'sleeper', 'hello', 'hello']) {
      const { run } = await admin.submitRun({ body: { agent, input: { name: 'Ada' } } });
      if (agent === 'hello') await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
      runs.push(run);
    }
    const [first = '', sleeper = ''] = runs;
    await admin.operate({ body: { operation: 'pause', target: { run: sleeper as never }, reason: 'look' } });
    const on = (...args: string[]) => command(['ps', ...args, '--data', data]);
    const looks = async () => [
      (await on('-o', 'name')).out,
      (await on('--all', '-o', 'name')).out,
      (await on('--all', '--agent', 'hello', '-n', '2', '-o', 'name')).out,
      (await on('--ended', 'comp', '-o', 'name')).out,
      (await on('--paused', '-o', 'name')).out,
      (await on('--all', '-q', first.slice(4), '-o', 'name')).out,
      (await on('--agent', 'hlelo')).err.replaceAll(/^.*Did you mean/gs, ''),
    ];
    const up = await looks();
    expect(up[0]).toBe(`${sleeper}\n`);
    expect(up[1]).toBe(`${runs.toReversed().join('\n')}\n`);
    await host.close(2_000);
    const down = await looks();
    expect(down.slice(0, 6)).toEqual(up.slice(0, 6));
    expect(down[6]).toContain('hello?');
    const { out, err } = await on('--all', '-n', '2');
    expect(out.split('\n')[1]).toMatch(/^run_\w+ +hello +completed +\d+[smh]/);
    expect(err).toContain(`no host is up on ${data}`);
    const cursor = /more: --cursor (\S+)/.exec(out)?.[1] ?? '';
    expect((await on('--all', '--cursor', cursor, '-o', 'name')).out).toBe(`${runs.slice(0, 2).toReversed().join('\n')}\n`);
    expect(await command(['erase', first, '--data', data])).toMatchObject({ code: 0 });
    expect((await on('--all', '-o', 'name')).out).toBe(`${runs.slice(1).toReversed().join('\n')}\n`);
  });
});
