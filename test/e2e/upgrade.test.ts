/** Journals on other bundles and other hosts: trial replays, upgrades, and calls and runs that people settle. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SqliteStore } from '@corral/store/sqlite';
import { amend, realClock } from '@corral/supervisor';
import { folder } from '../command.ts';
import { front } from '../front.ts';
import { until } from '../until.ts';
import { gate, tool, world } from '../world.ts';

describe('a trial replay', () => {
  test('on another bundle names the first effect that differs, and how', async () => {
    const w = await world();
    const version = await w.deploy(
      `{ name: 'a', async run({ sleep, emit }) { await sleep(1); emit('one'); emit('two'); await sleep(2) } }`,
    );
    const { id, ended } = await w.submit(version);
    await ended;
    const record = (await w.store.run(id))?.record as never;
    const entries = await w.store.journal(id);
    const on = async (body: string) => {
      const other = await w.deploy(`{ name: 'a', async run({ sleep, emit }) { ${body} } }`);
      const { difference } = await w.supervisor.trial({
        record,
        entries,
        bundle: { digest: other.bundle, source: (await w.store.bundle(other.bundle)) ?? '' },
      });
      return difference;
    };
    expect(await on(`await sleep(1); emit('one'); emit('two'); await sleep(2)`)).toBeUndefined();
    expect(await on(`await sleep(1); emit('two'); await sleep(2)`)).toMatchObject({ crank: 2, index: 0, kind: 'missing', seen: 'nothing' });
    expect(await on(`await sleep(1); emit('one'); emit('and'); emit('two'); await sleep(2)`)).toMatchObject({
      crank: 2,
      index: 1,
      kind: 'extra',
    });
    expect(await on(`await sleep(1); emit('one'); emit('two'); await sleep(3)`)).toMatchObject({ crank: 2, index: 2, kind: 'different' });
    expect(await on(`await sleep(1); throw new Error('broken')`)).toMatchObject({
      crank: 2,
      seen: expect.stringContaining('broken') as string,
    });
    expect(await on(`Promise.reject(new Error('lost')); await sleep(1)`)).toMatchObject({ crank: 1, kind: 'fault', fault: 'rejected' });
    expect(await on(`await sleep(1); for (;;);`)).toMatchObject({ crank: 2, kind: 'fault', seen: expect.stringMatching(/CPU/) as string });
    expect(await on(`await sleep(1); const all = []; for (;;) all.push(new Array(1e5).fill(all.length))`)).toMatchObject({
      crank: 2,
      kind: 'fault',
    });
    // The host is none the worse for it.
    expect(await w.run(`{ name: 'b', run: () => 1 }`)).toMatchObject({ kind: 'completed' });
  });
});

describe('corral upgrade', () => {
  test('checks which runs would do something else, and moves one that would not', { tags: 'long' }, async () => {
    const f = await folder();
    const w = await world([], { folder: join(f.data, '..') });
    const before = await f.file(
      'before.ts',
      `{ name: 'greeter', async run({ sleep }) { await sleep(1); await sleep(3e5); return 'old' } }`,
    );
    const { id } = await w.submit(await w.deployFile(before));
    await w.until(id, (view) => (view?.effects ?? 0) >= 2);
    await w.close();
    const other = await f.file('other.ts', `{ name: 'greeter', async run({ sleep }) { await sleep(2); return 'new' } }`);
    const same = await f.file('same.ts', `{ name: 'greeter', async run({ sleep }) { await sleep(1); await sleep(3e5); return 'new' } }`);
    const check = await f.on('upgrade-check', 'greeter', other);
    expect(check).toMatchObject({
      code: 1,
      out: expect.stringMatching(/✗ run_\w+ .*crank 1, effect 1: timer\.ms: 1 became 2[\s\S]*1 of 1/) as string,
    });
    expect(await f.on('upgrade-check', 'greeter', same)).toMatchObject({
      code: 0,
      out: expect.stringContaining('all 1 would do the same') as string,
    });
    expect(await f.on('upgrade-check', 'greeter', '--runtime')).toMatchObject({ code: 0 });
    expect(await f.on('upgrade', id, other)).toMatchObject({ code: 1, err: expect.stringContaining('CORRAL_UPGRADE_DIFFERS') as string });
    expect(await f.on('upgrade', id, same)).toMatchObject({ code: 0 });
    expect(await f.json('replay', id)).toMatchObject({ matches: true });
    expect((await f.on('journal', id)).out).toContain('moved to version');
    const there = await world([], { folder: join(f.data, '..') });
    expect(there.supervisor.view(id)).toMatchObject({ id });
    expect((await there.store.journal(id)).at(-1)?.event).toMatchObject({ kind: 'upgraded' });
  });

  // Bug show-after-upgrade: lists had the version of the run's admission.
  test('is what the folder and the host that opens it next show as the version of the run, and find it by', { tags: 'long' }, async () => {
    const f = await folder();
    const sleeper = (text: string) => `{ name: 'greeter', async run({ sleep }) { await sleep(3e6); return '${text}' } }`;
    const first = await front({ data: f.data });
    const before = await first.deploy(sleeper('old'));
    const { run } = await first.admin.submitRun({ body: { agent: 'greeter' } });
    await until(async () => (await first.admin.showRun({ params: { run } })).waiting === 'timer');
    await first.host.close();
    expect(await f.on('upgrade', run, await f.file('same.ts', sleeper('new')))).toMatchObject({ code: 0 });
    const { items } = await f.json<{ items: { version: string }[] }>('ps');
    const [now] = items.map(({ version }) => version);
    expect(now).not.toBe(before);
    const { admin } = await front({ data: f.data });
    expect(await admin.showRun({ params: { run } })).toMatchObject({ version: now });
    const found = async (version: string | undefined) => (await admin.listRuns({ query: { version: version as never } })).items.length;
    expect([await found(now), await found(before)]).toEqual([1, 0]);
  });

  test('is done by a living host: the run goes on with the new code, and stays where it would do something else', async () => {
    const f = await folder();
    const sleeper = (text: string, ms = 5_000) => `{ name: 'greeter', async run({ sleep }) { await sleep(${ms}); return '${text}' } }`;
    const { admin, deploy } = await front({ data: f.data });
    const before = await deploy(sleeper('old'));
    const { run } = await admin.submitRun({ body: { agent: 'greeter' } });
    await until(async () => (await admin.showRun({ params: { run } })).waiting === 'timer');
    await admin.operate({ body: { operation: 'pause', target: { run }, reason: 'to upgrade it' } });
    const differs = await f.on('upgrade', run, await f.file('other.ts', sleeper('other', 7)));
    expect(differs.err).toMatch(
      /CORRAL_UPGRADE_DIFFERS run_\w+ would do something else on that version: crank 1: effect 1 is another: expected .*5000.*, saw .*7\b/,
    );
    expect(await f.on('upgrade', run, await f.file('same.ts', sleeper('new')))).toMatchObject({ code: 0 });
    const { version } = await admin.showRun({ params: { run } });
    expect(version).not.toBe(before);
    expect((await f.on('upgrade', run, 'latest')).err).toContain('already on this version');
    await admin.operate({ body: { operation: 'resume', target: { run }, reason: 'upgraded' } });
    expect(await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } })).toMatchObject({ version, outcome: { output: 'new' } });
    expect((await f.on('journal', run)).out).toContain('moved to version');
    expect((await admin.listOperations({ query: {} })).items.map(({ operation }) => operation)).toContain('upgrade');
  });

  test('lets a run go on that was held because it replays differently here', { tags: 'long' }, async () => {
    const f = await folder();
    const w = await world([], { folder: join(f.data, '..') });
    const before = await f.file('before.ts', `{ name: 'greeter', async run({ sleep }) { await sleep(300); return 'old' } }`);
    const { id } = await w.submit(await w.deployFile(before));
    await w.until(id, (view) => (view?.effects ?? 0) >= 1);
    await w.close();
    const store = await SqliteStore.open(f.data);
    await amend(store, realClock, id, () => [{ kind: 'held', why: 'upgrade', detail: 'it differs here' }]);
    await store.close();
    const same = await f.file('same.ts', `{ name: 'greeter', async run({ sleep }) { await sleep(300); return 'new' } }`);
    expect(await f.json('upgrade', id, same, '--go')).toMatchObject({ outcome: { kind: 'completed', output: 'new' } });
  });
});

describe('corral resolve and corral release', () => {
  /** A folder with a run that waits for what became of its call, and how to open it again. */
  async function unknown() {
    const f = await folder();
    const stuck = gate();
    const mail = tool('mail.send', async () => {
      await stuck.opened;
      return { sent: true };
    });
    const root = { folder: join(f.data, '..') };
    const first = await world([mail], root);
    const { id } = await first.submit(
      await first.deploy(`{ name: 'm', uses: { mail: 'tool:mail.send' }, run: ({ caps }) => caps.mail({}) }`),
    );
    await first.until(id, (view) => view?.waiting === 'call');
    await first.close();
    const second = await world([mail], root);
    await second.until(id, (view) => view?.waiting === 'resolution');
    await second.close();
    stuck.open();
    return { f, id, again: () => world([mail], root) };
  }

  test('settle a call whose result is unknown, and the run goes on with it', async () => {
    const { f, id, again } = await unknown();
    // Its number is not needed, since the result of no other call is unknown.
    expect(await f.on('resolve', id, '-m', 'looked', '--result', '{"by":"hand"}')).toMatchObject({
      code: 0,
      out: expect.stringContaining('resolved: result') as string,
    });
    expect(await (await again()).supervisor.ended(id)).toEqual({ kind: 'completed', output: { by: 'hand' } });
  });

  test('settle a call once, and refuse what settles none', { tags: 'long' }, async () => {
    const { f, id, again } = await unknown();
    expect(await f.on('resolve', id, '7', '-m', 'looked', '--retry')).toMatchObject({
      code: 2,
      err: expect.stringContaining('These do: 1') as string,
    });
    expect(await f.on('resolve', id, '1', '-m', 'looked')).toMatchObject({ code: 2, err: expect.stringContaining('--retry') as string });
    expect(await f.on('resolve', id, '1', '-m', 'looked', '--result', '{"by":"hand"}', '--go')).toMatchObject({
      code: 2,
      err: expect.stringContaining('mail.send') as string,
    });
    expect(await f.on('resolve', id, '-m', 'looked', '--result', '{"by":"hand"}')).toMatchObject({ code: 0 });
    expect(await f.on('resolve', id, '1', '-m', 'looked', '--fail')).toMatchObject({
      code: 2,
      err: expect.stringContaining('CORRAL_RUN_STATE') as string,
    });
    expect(await (await again()).supervisor.ended(id)).toEqual({ kind: 'completed', output: { by: 'hand' } });
  });

  test('let a held run go on to its end', { tags: 'long' }, async () => {
    const f = await folder();
    const w = await world([], { folder: join(f.data, '..') });
    const { id } = await w.submit(await w.deploy(`{ name: 'a', async run({ sleep }) { await sleep(200); return 1 } }`));
    await w.until(id, (view) => (view?.effects ?? 0) >= 1);
    await w.close();
    const store = await SqliteStore.open(f.data);
    await amend(store, realClock, id, () => [{ kind: 'held', why: 'restored', detail: 'from a backup' }]);
    await store.close();
    expect((await f.on('journal', id)).out).toContain('waits for resolution');
    expect(await f.json('release', id, '--reason', 'looked', '--go')).toMatchObject({ outcome: { kind: 'completed', output: 1 } });
    expect(await f.on('release', id, '-m', 'looked')).toMatchObject({ code: 2, err: expect.stringContaining('has ended') as string });
  });
});
