/** Memories of a configuration on a real host: bounds, operators, erasure, replay; and a host that is killed writes nothing twice. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { transportTo } from '@corral/client/node';
import { createClient } from '@corral/protocol/api/client';
import type { RunId } from '@corral/protocol/ids';
import { loadConfig } from '@corral/server/config/load';
import { agentText } from '../agents/file.ts';
import { CORRAL, corral, start } from '../command.ts';
import { databaseOf } from '../database.ts';
import { front, sharedFront, shortFolder, type Front } from '../front.ts';
import { found, until } from '../until.ts';

const MEMORY = {
  notes: { kind: 'kv', limits: { entries: 3 } },
  small: { kind: 'kv', scope: 'tenant', limits: { value_bytes: 10 } },
  papers: { kind: 'files' },
  facts: { kind: 'memory' },
};
const CONFIG = {
  policies: 'none',
  memory: MEMORY,
  tenants: {
    local: { loops: false },
    tight: { loops: false, memory: { bytes: 700 } },
  },
};
const shared = sharedFront({ configText: JSON.stringify(CONFIG) });

const KEEPER = (name: string, body: string) =>
  `{ name: '${name}', uses: { notes: 'kv:notes', small: 'kv:small' }, run: async ({ caps }) => { ${body} } }`;
async function outputOf(f: Front, agent: string, { tenant = 'local' } = {}) {
  const { run } = await f.admin.submitRun({ body: { agent, tenant } });
  const { outcome } = await f.admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  return { run, output: outcome?.kind === 'completed' ? outcome.output : outcome };
}

test('a write beyond a bound of the memory or of its tenant is refused with its code, and the run can go on', async () => {
  const f = shared();
  const put = (n: number) =>
    `const done = []; for (let i = 0; i < ${n}; i++) done.push(await caps.notes.put({ key: 'k' + i, value: i }).then((one) => one.done, (e) => e.code)); return done;`;
  await f.deploy(KEEPER('fills', put(4)));
  expect((await outputOf(f, 'fills')).output).toEqual([true, true, true, 'CORRAL_MEMORY_FULL']);
  await f.deploy(KEEPER('fills', put(3)), { tenant: 'tight' });
  expect((await outputOf(f, 'fills', { tenant: 'tight' })).output).toEqual([true, true, 'CORRAL_MEMORY_FULL']);
  await f.deploy(KEEPER('long', `return caps.small.put({ key: 'a', value: 'x'.repeat(9) }).catch((e) => e.hint);`));
  expect((await outputOf(f, 'long')).output).toMatch(/^Nothing was written\..*`memory` in the configuration/);
});

test('operators see whose memories there are and what is in them, read it on record, and remove it', async () => {
  const f = shared();
  const operator = await f.as('local', 'operator');
  await f.deploy(
    KEEPER('writer', `await caps.notes.put({ key: 'a/1', value: { n: 1 } }); await caps.notes.put({ key: 'b', value: 'x' }); return 1;`),
  );
  const { run } = await outputOf(f, 'writer');
  const { items } = await operator.listMemories({ query: { limit: 100, memory: 'notes' } });
  const space = items.find(({ owner }) => owner === 'agent:writer');
  expect(space).toMatchObject({ tenant: 'local', memory: 'notes', kind: 'kv', entries: 2 });
  const params = { memory: space?.id ?? 0 };
  const first = await operator.listMemoryEntries({ params, query: { limit: 1, prefix: '' } });
  expect(first.items).toMatchObject([{ name: 'b', influenced_by: null, private_to: null, written_by: [{ run, agent: 'writer' }] }]);
  const second = await operator.listMemoryEntries({ params, query: { limit: 1, prefix: '', cursor: first.next ?? '' } });
  expect([second.items.map(({ name }) => name), second.next]).toEqual([['a/1'], null]);
  expect(await operator.readMemory({ params, body: { name: 'a/1', reason: 'a look' } })).toMatchObject({
    encoding: 'json',
    value: { n: 1 },
  });
  const [row] = (await f.admin.listOperations({ query: { operation: 'read-memory' } })).items;
  expect(row).toMatchObject({ reason: 'a look', target: { memory: 'notes', owner: 'agent:writer', name: 'a/1', read: true } });
  // Another tenant's memories are not there, and a role that only reads removes nothing.
  const stranger = await f.as('tight', 'operator');
  expect((await stranger.listMemories({ query: {} })).items.every(({ tenant }) => tenant === 'tight')).toBe(true);
  await expect(stranger.readMemory({ params, body: { name: 'b' } })).rejects.toMatchObject({ code: 'CORRAL_MEMORY_UNKNOWN', status: 404 });
  const removal = { memory: 'notes', owner: 'agent:writer', prefix: 'a/', reason: 'x' };
  await expect((await f.as('local', 'auditor')).removeMemory({ body: removal })).rejects.toMatchObject({ code: 'CORRAL_FORBIDDEN' });
  await expect(stranger.removeMemory({ body: { ...removal, tenant: 'local' } })).rejects.toMatchObject({
    code: 'CORRAL_FORBIDDEN',
  });
  await expect(operator.removeMemory({ body: { reason: 'x' } })).rejects.toMatchObject({ code: 'CORRAL_REQUEST_INVALID' });
  expect(await operator.removeMemory({ body: { ...removal, dryRun: true } })).toMatchObject({ entries: 1 });
  expect(await operator.removeMemory({ body: removal })).toMatchObject({ entries: 1 });
  expect(await operator.removeMemory({ body: removal })).toMatchObject({ entries: 0 });
});

test('a run is replayed without its memory, and erased with what it kept there', async () => {
  const f = shared();
  await f.deploy(KEEPER('lives', `await caps.notes.put({ key: 'a', value: 7 }); return (await caps.notes.get({ key: 'a' })).value;`));
  const { run, output } = await outputOf(f, 'lives');
  expect(output).toBe(7);
  const left = async () =>
    (await f.admin.listMemories({ query: { limit: 100 } })).items.find(({ owner }) => owner === 'agent:lives')?.entries ?? 0;
  await f.admin.removeMemory({ body: { tenant: 'local', owner: 'agent:lives', reason: 'x' } });
  expect((await f.admin.replayRun({ params: { run }, body: {} })).difference ?? null).toBeNull();
  expect(await left()).toBe(0);
  const again = await outputOf(f, 'lives');
  expect(await left()).toBe(1);
  const erase = (dryRun: boolean) => f.admin.eraseRun({ params: { run: again.run }, body: { reason: 'x', memory: true, dryRun } });
  expect(await erase(true)).toMatchObject({ memory: { entries: 1 } });
  expect(await left()).toBe(1);
  expect(await erase(false)).toMatchObject({ memory: { entries: 1 } });
  expect(await left()).toBe(0);
});

test('how many entries would be removed says nothing of names that are withheld from who asks, and those are not removed', async () => {
  // Where something is private, labels are kept of all that is written.
  const memory = { notes: MEMORY.notes, people: { kind: 'kv', private_to: 'eva' } };
  const f = await front({ configText: JSON.stringify({ ...CONFIG, memory }) });
  const operator = await f.as('local', 'operator');
  const body = `await caps.notes.put({ key: 'open', value: 1 }); await caps.people.put({ key: 'a', value: 1 }); await caps.people.get({ key: 'a' });
    return caps.notes.put({ key: 'salary/eva', value: 1 });`;
  const uses = `uses: { notes: 'kv:notes', people: 'kv:people' }`;
  await f.deploy(`{ name: 'payroll', ${uses}, run: async ({ caps }) => { ${body} } }`);
  await outputOf(f, 'payroll');
  const counted = async (what: object, dryRun = true) =>
    (await operator.removeMemory({ body: { memory: 'notes', ...what, reason: 'x', dryRun } })).entries;
  expect([await counted({ name: 'salary/eva' }), await counted({ prefix: 'sal' }), await counted({ prefix: '' })]).toEqual([0, 0, 1]);
  // Every list says that there are two.
  expect(await counted({})).toBe(2);
  expect([await counted({ name: 'salary/eva' }, false), await counted({ prefix: '' }, false), await counted({})]).toEqual([0, 1, 1]);
  expect(await counted({}, false)).toBe(1);
});

test('an erasure that fails at what the run has kept is on record with what is erased, says what to do, and is finished by that', async () => {
  const f = shared();
  await f.deploy(KEEPER('fails', `for (const key of ['a', 'b']) await caps.notes.put({ key, value: 7 }); return 1;`));
  const { run } = await outputOf(f, 'fails');
  const db = databaseOf(f.data, 'memory.db');
  onTestFinished(() => db.close());
  db.exec(`CREATE TRIGGER refuses BEFORE DELETE ON entries BEGIN SELECT raise(ABORT, 'no'); END`);
  const erased = f.admin.eraseRun({ params: { run }, body: { reason: 'drill', memory: true } });
  await expect(erased).rejects.toMatchObject({
    code: 'CORRAL_MEMORY_LEFT',
    status: 503,
    hint: expect.stringContaining('corral memory rm'),
  });
  const removed = f.admin.removeMemory({ body: { run, reason: 'drill' } });
  await expect(removed).rejects.toMatchObject({ code: 'CORRAL_MEMORY_LEFT' });
  db.exec('DROP TRIGGER refuses');
  const refused = [{ run, code: 'CORRAL_MEMORY_UNAVAILABLE', detail: expect.stringMatching(/^run_\w+ is erased\. 0 entries are removed/) }];
  const [row] = (await f.admin.listOperations({ query: { operation: 'erase' } })).items;
  expect(row).toMatchObject({ reason: 'drill', target: { run, memory: { entries: 0 } }, matched: [run], refused });
  const [other] = (await f.admin.listOperations({ query: { operation: 'remove-memory' } })).items;
  expect(other).toMatchObject({ target: { run, entries: 0 }, refused: [{ run, code: 'CORRAL_MEMORY_UNAVAILABLE' }] });
  expect(await f.admin.removeMemory({ body: { run, reason: 'drill' } })).toMatchObject({ entries: 2 });
});

test('the command line lists, prints and removes what is kept', async () => {
  const f = shared();
  await f.deploy(KEEPER('shown', `await caps.notes.put({ key: 'greeting', value: 'hello' }); return 1;`));
  await outputOf(f, 'shown');
  const says = async (...args: string[]) => {
    const { code, out, err } = await corral([...args, '--data', f.data]);
    return code === 0 ? out : `${code} ${err}`;
  };
  const id = (await f.admin.listMemories({ query: { limit: 100 } })).items.find(({ owner }) => owner === 'agent:shown')?.id;
  expect(await says('memory', 'ls')).toMatch(new RegExp(`^ *${id} +local +kv:notes +agent:shown +1 `, 'm'));
  expect(await says('memory', 'ls', String(id))).toMatch(/^greeting .* shown run_\w+ call 1 +not known +not known/m);
  expect((await says('memory', 'get', String(id), 'greeting')).trim()).toBe('"hello"');
  expect(await says('memory', 'rm', '--owner', 'agent:shown', '--dry-run', '-m', 'x')).toMatch(/^1 entry, .* would be removed/);
  expect(await says('memory', 'rm', '--owner', 'agent:shown', '-m', 'x')).toMatch(/^1 entry, .* removed/);
  expect(await says('memory', 'get', String(id), 'greeting')).toContain('CORRAL_MEMORY_UNKNOWN');
});

test('a configuration with a memory of an unknown kind, a bad bound, or two tools of one name is refused', async () => {
  const folder = await shortFolder();
  const config = join(folder, 'corral.config.json');
  const refused = async (memory: unknown, more: object = {}) => {
    await writeFile(config, JSON.stringify({ memory, ...more }));
    return loadConfig(config, {}).then(
      () => '',
      (error: unknown) => (error as Error).message,
    );
  };
  expect(await refused({ notes: { kind: 'list' } })).toMatch(/memory\.notes\.kind/);
  expect(await refused({ notes: { kind: 'kv', limits: { value_bytes: 0 } } })).toMatch(/memory\.notes\.limits\.value_bytes/);
  expect(await refused({ Notes: { kind: 'kv' } })).toMatch(/memory/);
  expect(await refused({ fs: { kind: 'files' } }, { files: { read: folder } })).toMatch(/two tools called fs\.read/);
});

/** Kills the host as often in the middle of a run that appends, and counts what is there in the end. */
async function killed(times: number, lines: number) {
  const folder = await shortFolder();
  const data = join(folder, 'd');
  const config = join(folder, 'corral.config.json');
  await writeFile(config, JSON.stringify(CONFIG));
  await writeFile(join(folder, 'counts.ts'), agentText('memory/counts'));
  const line = (...args: string[]) => start([...CORRAL, ...args], { cwd: folder, env: { CORRAL_DATA: data } });
  const submitted = async (): Promise<RunId> => {
    await line('deploy', 'counts.ts').said;
    return (await line('submit', 'counts', '--input', JSON.stringify({ lines })).said).out.trim() as RunId;
  };
  let run: RunId | undefined;
  for (let i = 0; i < times; i++) {
    const host = line('up', '--data', data, '--port', '0', '--json', '--config', config, '--one-wall');
    await until(() => host.out().includes('\n'), 'the host is up');
    const client = createClient(transportTo({ socket: join(data, 'corral.sock') }));
    run ??= await submitted();
    const size = async () => {
      const space = (await client.listMemories({ query: {} })).items[0];
      return space === undefined
        ? 0
        : ((await client.listMemoryEntries({ params: { memory: space.id }, query: {} })).items[0]?.version ?? 0);
    };
    const before = await size();
    await until(async () => (await size()) >= before + Math.ceil(lines / (times + 2)), 'it has written some more');
    host.child.kill('SIGKILL');
    await host.said;
  }
  const { admin } = await front({ data, configText: JSON.stringify(CONFIG) });
  const shown = await found(async () => {
    const one = await admin.showRun({ params: { run: run as RunId }, query: { wait_ms: 1_000 } });
    return one.outcome === null ? undefined : one;
  }, 'it ends');
  const db = databaseOf(data, 'memory.db');
  const answers = Number(db.prepare('SELECT count(*) AS n FROM calls').get()?.['n']);
  db.close();
  return { outcome: shown.outcome, answers };
}

test('a host that is killed again and again between writes and their answers writes nothing twice', { tags: 'long' }, async () => {
  const { outcome, answers } = await killed(6, 150);
  expect(outcome).toEqual({ kind: 'completed', output: Array.from({ length: 150 }, (_, i) => `${i + 1}\n`).join('') });
  // Answers are kept for calls that may be made again, and not for all.
  expect(answers).toBeLessThan(5);
});
