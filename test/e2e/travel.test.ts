/** Time travel through the real command line: journals that people look back on, branch off from and move to new versions. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { RunId } from '@corral/protocol/ids';
import { SqliteStore } from '@corral/store/sqlite';
import { corral, counted, folder } from '../command.ts';
import { readingTool, tool, world } from '../world.ts';
import { until } from '../until.ts';
import { movableClock } from '../clock.ts';
import { agentFile } from '../agents/file.ts';

describe('corral journal', () => {
  test('shows what a run was given and what it asked for, within the width of the terminal', async () => {
    const f = await folder();
    const run = await counted(f);
    const { code, out } = await f.on('journal', run);
    expect(code).toBe(0);
    expect(out).toMatch(/counter {2}completed[\s\S]*start \{"to":3\}[\s\S]*→ timer 1 in 5 ms[\s\S]*→ finish \{"sum":6\}/);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    const { entries } = await f.json<{ entries: { delivery: { kind: string } }[] }>('journal', run);
    expect(entries.map(({ delivery }) => delivery.kind)).toEqual(['start', 'timer', 'timer', 'timer']);
  });

  test('says what is wrong with a folder or a run that is not there', { tags: 'long' }, async () => {
    const f = await folder();
    expect(await f.on('journal', 'run_000000000000')).toMatchObject({
      code: 3,
      err: expect.stringContaining('CORRAL_DATA_UNUSABLE') as string,
    });
    await counted(f, 1);
    expect(await f.on('journal', 'run_000000000000')).toMatchObject({
      code: 2,
      err: expect.stringContaining('CORRAL_RUN_UNKNOWN') as string,
    });
    expect(await f.on('journal', 'elsewhere')).toMatchObject({ code: 2, err: expect.stringContaining('not the id of a run') as string });
  });
});

describe('corral replay', () => {
  test('does every crank again and says that it was the same', async () => {
    const f = await folder();
    const run = await counted(f);
    const { code, out } = await f.on('replay', run);
    expect(out).toMatch(/4 cranks replayed the same/);
    expect([code, out.match(/✓/g)?.length]).toEqual([0, 5]);
    const { matches, cranks } = await f.json<{ matches: boolean; cranks: { replayed: { matched: boolean } }[] }>(
      'replay',
      run,
      '--to',
      '2',
    );
    expect([matches, cranks.map(({ replayed }) => replayed.matched)]).toEqual([true, [true, true]]);
  });

  test('replays each segment of a run that made checkpoints, with the randomness it had', { tags: 'long' }, async () => {
    const f = await folder();
    const file = await f.file(
      'steps.ts',
      `{ name: 'steps', async run({ state, sleep, log, checkpoint }) {
          const done = state ?? 0;
          log(done, Math.random());
          await sleep(1);
          if (done < 3) await checkpoint(done + 1);
          return done;
        } }`,
    );
    const { run } = await f.json<{ run: RunId }>('run', file);
    const { matches, cranks } = await f.json<{ matches: boolean; cranks: { effects: { kind: string; text?: string }[] }[] }>('replay', run);
    const logs = cranks.flatMap(({ effects }) => effects ?? []).filter(({ kind }) => kind === 'log');
    expect([matches, new Set(logs.map(({ text }) => text?.split(' ')[1])).size]).toEqual([true, 4]);
  });

  test('lets nothing leave: a tool that was called is not called again', async () => {
    const f = await folder();
    const to = join(f.data, '..', 'out');
    await mkdir(to);
    const file = await f.file(
      'writer.ts',
      `{ name: 'w', uses: { write: 'tool:fs.write' }, run: ({ caps }) => caps.write({ path: 'x', text: 'once' }) }`,
    );
    const { run } = await f.json<{ run: RunId }>('run', file, '--write', to);
    await writeFile(join(to, 'x'), 'changed since');
    expect((await f.on('replay', run)).code).toBe(0);
    expect(await readFile(join(to, 'x'), 'utf8')).toBe('changed since');
  });

  test('finds the same on a host in another time zone and another language', { tags: 'long' }, async () => {
    const f = await folder();
    const file = await f.file(
      'here.ts',
      `{ name: 'here', async run({ sleep }) { await sleep(1); return [new Date().toString(), new Date(2026, 6, 1).getTime(), new Date().toLocaleString(), (1234.5).toLocaleString(), ['ö', 'z'].sort(new Intl.Collator().compare)] } }`,
    );
    const run = ['run', file, '--data', f.data, '--json'];
    const { out } = await corral(run, undefined, { TZ: 'Asia/Tokyo', LANG: 'de_DE.UTF-8', LC_ALL: 'de_DE.UTF-8' });
    const id = (JSON.parse(out) as { run: RunId }).run;
    const again = ['replay', id, '--data', f.data];
    expect(await corral(again, undefined, { TZ: 'America/New_York', LANG: 'sv_SE.UTF-8', LC_ALL: 'sv_SE.UTF-8' })).toMatchObject({
      code: 0,
    });
  });
});

describe('corral fork and corral diff', () => {
  test('begin a run again with another input, and show where the two part', async () => {
    const f = await folder();
    const run = await counted(f);
    const fork = await f.json<{ run: RunId; outcome: unknown }>('fork', run, '--at', '1', '--input', '{"to":2}');
    expect(fork.outcome).toEqual({ kind: 'completed', output: { sum: 3 } });
    const { code, out } = await f.on('diff', run, fork.run);
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(/input: \{"to":3\} and \{"to":2\}[\s\S]*they differ from the first crank on: they were given different things/),
    ]);
  });

  test('keep what came before, and the fork does the same where nothing else happens to it', { tags: 'long' }, async () => {
    const f = await folder();
    const run = await counted(f);
    const fork = await f.json<{ run: RunId; outcome: unknown }>('fork', run, '--at', '3');
    expect(fork.outcome).toEqual({ kind: 'completed', output: { sum: 6 } });
    expect(await f.on('diff', run, fork.run)).toMatchObject({
      code: 0,
      out: expect.stringContaining('all 4 cranks are the same') as string,
    });
    expect(await f.json('replay', fork.run)).toMatchObject({ matches: true });
    const store = await SqliteStore.open(f.data);
    const stored = await store.run(fork.run);
    expect(stored?.record).toMatchObject({ origin: { run, at: 3 } });
    expect((await store.journal(fork.run)).map(({ event }) => event?.kind)).toEqual([undefined, undefined, 'forked', undefined, undefined]);
    await store.close();
  });

  test('hold a call of the origin that was under way, and give a retry a key of its own', async () => {
    const keys: string[] = [];
    const mail = tool('mail.send', (_, call) => {
      keys.push(call.idempotency_key);
      return { sent: keys.length };
    });
    const looked = readingTool('look', (_, call) => call.idempotency_key);
    const w = await world([mail, looked]);
    const version = await w.deploy(
      `{ name: 'm', uses: { mail: 'tool:mail.send', look: 'tool:look' }, async run({ caps }) { const all = [caps.look({}), caps.mail({ to: 'ann' })]; return Promise.all(all) } }`,
    );
    const { id, ended } = await w.submit(version);
    expect(await ended).toMatchObject({ kind: 'completed', output: [`${id}:1`, { sent: 1 }] });
    // After the first crank, both calls are under way.
    const fork = await w.supervisor.fork({ run: id, at: 2, by: 'ann' as never });
    await until(async () => (await w.store.run(fork.id))?.status.waiting === 'resolution');
    expect(keys).toEqual([`${id}:2`]);
    expect(fork.unknown.map(({ call }) => call)).toEqual([1, 2]);
    for (const call of [1, 2]) await w.supervisor.control.resolve(fork.id, call, 'ann', { how: 'retry' });
    expect(await fork.ended).toEqual({ kind: 'completed', output: [`${fork.id}:1`, { sent: 2 }] });
    expect(keys).toEqual([`${id}:2`, `${fork.id}:2`]);
  });

  test('give a fork grants of its own, never more than its origin had', async () => {
    const w = await world([readingTool('look', () => 1)]);
    const version = await w.deploy(
      `{ name: 'm', uses: { look: 'tool:look' }, async run({ caps, sleep }) { await sleep(1); return caps.look({}) } }`,
    );
    const { id, ended } = await w.submit(version);
    await ended;
    const fork = await w.supervisor.fork({ run: id, at: 2, by: 'ann' as never });
    await fork.ended;
    const shape = async (run: RunId) =>
      (await w.store.grants(run))
        .map(({ target, where, uses, parent, holder }) => ({
          kind: target.kind,
          where,
          uses,
          parent,
          own: holder === run,
        }))
        .sort((a, b) => a.kind.localeCompare(b.kind));
    expect(await shape(fork.id)).toEqual(await shape(id));
    const ids = async (run: RunId) => (await w.store.grants(run)).map((grant) => grant.id);
    const [of, from] = [await ids(fork.id), await ids(id)];
    expect(of.filter((grant) => from.includes(grant))).toEqual([]);
  });

  test('go on from a checkpoint of their origin', async () => {
    const w = await world();
    const version = await w.deploy(
      `{ name: 'steps', async run({ state, sleep, checkpoint }) { const done = state ?? []; await sleep(1); if (done.length < 3) await checkpoint([...done, Math.random()]); await sleep(1); return done } }`,
    );
    const { id, ended } = await w.submit(version);
    const outcome = await ended;
    const last = (await w.store.run(id))?.seq ?? 0;
    const fork = await w.supervisor.fork({ run: id, at: last, by: 'ann' as never });
    expect(await fork.ended).toEqual(outcome);
  });

  test('refuse with a reason where there is nothing to begin with', { tags: 'long' }, async () => {
    const f = await folder();
    const run = await counted(f, 1);
    expect(await f.on('fork', run, '--at', '3')).toMatchObject({ code: 2, err: expect.stringContaining('ended with crank 2') as string });
    expect(await f.on('fork', run, '--at', '9')).toMatchObject({ code: 2, err: expect.stringContaining('cranks 1 to 3') as string });
    expect(await f.on('fork', run, '--at', '2', '--input', '{}')).toMatchObject({
      code: 2,
      err: expect.stringContaining('crank 1') as string,
    });
    const w = await world();
    const version = await w.deploy(agentFile('family/sleeps-after-its-child'));
    const { id, ended } = await w.submit(version);
    expect(await ended).toEqual({ kind: 'completed', output: 7 });
    await expect(w.supervisor.fork({ run: id, at: 2, by: 'ann' as never })).rejects.toMatchObject({
      code: 'CORRAL_FORK_IMPOSSIBLE',
      message: expect.stringContaining('a child') as string,
    });
    const [child] = await w.store.runs({ parent: id });
    await expect(w.supervisor.fork({ run: child?.record.id as RunId, at: 1, by: 'ann' as never })).rejects.toMatchObject({
      code: 'CORRAL_FORK_IMPOSSIBLE',
    });
    // Once the child has ended within the prefix, nothing of it is missing.
    const fork = await w.supervisor.fork({ run: id, at: 3, by: 'ann' as never });
    expect(await fork.ended).toEqual({ kind: 'completed', output: 7 });
  });

  test('do not count the time since against the fork', async () => {
    const { clock, forward } = movableClock();
    const w = await world([], { clock });
    const version = await w.deploy(
      `{ name: 'a', ceilings: { wall_ms: 60_000 }, async run({ sleep }) { await sleep(1); await sleep(300); return 'in time' } }`,
    );
    const { id, ended } = await w.submit(version);
    await ended;
    forward(90_000);
    const fork = await w.supervisor.fork({ run: id, at: 2, by: 'ann' as never });
    expect(await fork.ended).toEqual({ kind: 'completed', output: 'in time' });
  });
});
