/** The record of a host holds against whoever can write to its databases and has no key, as far as a Merkle log can. */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { canonical } from '@corral/protocol/json';
import type { LogHead } from '@corral/protocol/model/log';
import { leafHash } from '@corral/store/log/merkle';
import { SqliteStore } from '@corral/store/sqlite';
import { restore } from '@corral/store/sqlite/backup';
import { STEPS } from '@corral/store/sqlite/schema';
import { databaseOf } from '../database.ts';
import { asFormat, front, HELLO, shortFolder, SLEEP } from '../front.ts';
import { until } from '../until.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const READER = `{ name: 'reader', uses: { read: 'tool:fs.read' }, run: async ({ sleep }) => { await sleep(3600000); } }`;

interface Story {
  readonly data: string;
  readonly runs: { readonly done: string; readonly killed: string; readonly open: string; readonly erased: string };
  readonly grant: string;
  readonly token: string;
  readonly head: LogHead;
}

/** A host that lived through a bit of everything, and stopped. */
async function story(data: string): Promise<Story> {
  const { admin, deploy, host } = await front({ data, configText: JSON.stringify({ tenants: { local: {} }, files: { read: '.' } }) });
  await deploy(HELLO, { alias: 'prod' });
  await deploy(HELLO.replace('Hello', 'Bye'), { alias: 'prod' });
  await admin.rollBack({ params: { agent: 'hello', alias: 'prod' }, body: { reason: 'bad greeting' } });
  await deploy(SLEEP);
  await deploy(READER);
  const ended = async (input: string) => {
    const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: input } } });
    await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    return run;
  };
  const done = await ended('Ada');
  const erased = await ended('Ben');
  await admin.eraseRun({ params: { run: erased }, body: { reason: 'he asked' } });
  const started = async (agent: string) => {
    const { run } = await admin.submitRun({ body: { agent } });
    await until(async () => (await admin.showRun({ params: { run } })).waiting === 'timer');
    return run;
  };
  const [killed, open] = [await started('reader'), await started('reader')];
  await admin.operate({ body: { operation: 'kill', target: { run: killed }, reason: 'enough' } });
  const { caps } = await admin.showRun({ params: { run: open } });
  const grant = caps[0]?.grant ?? '';
  await admin.revokeGrant({ params: { grant: grant as never }, body: { reason: 'it reads more than it needs' } });
  await admin.putQuarantine({ body: { kind: 'agent', name: 'hello', reason: 'looked odd' } });
  await admin.liftQuarantine({ params: { kind: 'agent', name: 'hello' }, query: { reason: 'is fine' } });
  await admin.putQuarantine({ body: { kind: 'agent', name: 'sleeper', reason: 'sleeps too long' } });
  const { token } = await admin.makeToken({ body: { name: 'ana', roles: ['admin'] } });
  await admin.revokeToken({ params: { token }, query: { reason: 'left us' } });
  await host.close();
  const store = await SqliteStore.open(data);
  const head = await store.logHead();
  await store.close();
  return { data, runs: { done, killed, open, erased }, grant, token, head };
}

let folder: string | undefined;
let made: Promise<Story> | undefined;
/** Lived once, by the first test that needs it. */
const told = (): Promise<Story> =>
  (made ??= (async () => {
    folder = await mkdtemp(join(tmpdir(), 'crl-'));
    return story(join(folder, 'd'));
  })());
afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** The findings of a verification on a copy in which somebody changed something with plain SQLite. */
async function afterwards(tamper: (db: (name: 'corral' | 'front') => DatabaseSync, story: Story) => void, head?: LogHead) {
  const was = await told();
  const data = join(await shortFolder(), 'd');
  await mkdir(data);
  await cp(was.data, data, { recursive: true });
  const open: DatabaseSync[] = [];
  tamper((name) => {
    const db = new DatabaseSync(join(data, `${name}.db`));
    open.push(db);
    return db;
  }, was);
  for (const db of open) db.close();
  const store = await SqliteStore.open(data);
  const { log, damaged } = await store.verify(undefined, undefined, head);
  await store.close();
  return { messages: log.problems.map(({ message }) => message), log, damaged };
}

test('nothing is wrong with a folder that nobody touched, and its head goes on from the one that was kept', async () => {
  const { messages, log, damaged } = await afterwards(() => undefined, (await told()).head);
  expect({ messages, damaged }).toEqual({ messages: [], damaged: [] });
  expect(log).toMatchObject({ since: expect.any(Number) as number, before: 0, count: 0 });
  expect(log.size).toBeGreaterThanOrEqual((await told()).head.size);
  expect(log.hash).toMatch(/^[0-9a-f]{64}$/);
});

describe('what is changed with plain SQLite and no key is found:', () => {
  test.each<[string, Parameters<typeof afterwards>[0], RegExp]>([
    [
      'a whole run that is removed',
      (db, { runs }) =>
        db('corral').exec(
          `DELETE FROM journal WHERE run = (SELECT n FROM runs WHERE id = '${runs.done}'); DELETE FROM records WHERE n = (SELECT n FROM runs WHERE id = '${runs.done}'); DELETE FROM runs WHERE id = '${runs.done}'`,
        ),
      /run_\w+ was admitted at .*, and is missing/,
    ],
    [
      'a run that is put between others',
      (db) =>
        db('corral').exec(
          "UPDATE runs SET n = 1000 WHERE n = 1; CREATE TEMP TABLE forged AS SELECT * FROM runs WHERE n = 2; UPDATE forged SET n = 1, id = 'run_forged000000'; INSERT INTO runs SELECT * FROM forged",
        ),
      /run_forged000000 was never admitted/,
    ],
    [
      'a run that is moved to another tenant',
      (db, { runs }) => db('corral').exec(`UPDATE runs SET tenant = 'other' WHERE id = '${runs.done}'`),
      /differs from its admission/,
    ],
    [
      'another kind of outcome',
      (db, { runs }) => db('corral').exec(`UPDATE runs SET outcome_kind = 'killed' WHERE id = '${runs.done}'`),
      /ended as completed at .*; it is stored as killed/,
    ],
    [
      'another outcome',
      (db, { runs }) => db('corral').exec(`UPDATE runs SET outcome = x'00' WHERE id = '${runs.done}'`),
      /The outcome that run_\w+ ended with was changed/,
    ],
    [
      'an end that is taken back',
      (db, { runs }) => db('corral').exec(`UPDATE runs SET lifecycle = 'active', outcome_kind = NULL WHERE id = '${runs.killed}'`),
      /ended as killed at .*; it is stored as active/,
    ],
    [
      'an end that never was',
      (db, { runs }) =>
        db('corral').exec(`UPDATE runs SET lifecycle = 'ended', outcome_kind = 'killed', ended_at = 1 WHERE id = '${runs.open}'`),
      /stored as ended \(killed\), and never ended/,
    ],
    [
      'the tail of the journal of an ended run',
      (db, { runs }) =>
        db('corral').exec(
          `DELETE FROM journal WHERE run = (SELECT n FROM runs WHERE id = '${runs.killed}') AND seq > 1; UPDATE runs SET end_hash = (SELECT hash FROM journal WHERE run = runs.n) WHERE id = '${runs.killed}'`,
        ),
      /Entry \d+ of run_\w+ is missing/,
    ],
    [
      'the tail of the journal of a run that goes on',
      (db, { runs }) => db('corral').exec(`DELETE FROM journal WHERE run = (SELECT n FROM runs WHERE id = '${runs.open}') AND seq >= 1`),
      /Entry \d+ of run_\w+ is missing/,
    ],
    [
      'a revocation that is undone',
      (db, { grant }) => db('corral').exec(`UPDATE grants SET revoked = 0 WHERE id = '${grant}'`),
      /grant_\w+ was revoked, and is stored as if it had not been/,
    ],
    [
      'every revocation that is undone, those of a kill too',
      (db, { runs }) => db('corral').exec(`UPDATE grants SET revoked = 0 WHERE holder = '${runs.killed}'`),
      /grant_\w+ was revoked, and is stored as if it had not been/,
    ],
    [
      'a quarantine that nobody put up',
      (db) =>
        db('corral').exec("INSERT INTO quarantines (kind, name, by, reason, at) VALUES ('tenant', 'local', 'token:boss', 'because', 5)"),
      /was never put up/,
    ],
    [
      'a quarantine that is removed',
      (db) => db('corral').exec("DELETE FROM quarantines WHERE name = 'local/sleeper'"),
      /quarantine on agent local\/sleeper .* is missing or was changed/,
    ],
    [
      'a quarantine whose reason is another',
      (db) => db('corral').exec("UPDATE quarantines SET reason = 'x' WHERE name = 'local/sleeper'"),
      /is missing or was changed/,
    ],
    [
      'a quarantine that is lifted by nobody',
      (db) => db('corral').exec("UPDATE quarantines SET lifted_by = 'token:x', lifted_at = 5 WHERE name = 'local/sleeper'"),
      /was never lifted/,
    ],
    [
      'a lifted quarantine that stands again',
      (db) => db('corral').exec("UPDATE quarantines SET lifted_by = NULL, lifted_at = NULL WHERE name = 'local/hello'"),
      /lifted the quarantine on agent local\/hello at .*; it is stored as if it had not been lifted/,
    ],
    [
      'an erasure that nobody asked for',
      (db, { runs }) => db('corral').exec(`UPDATE runs SET erased_at = 5 WHERE id = '${runs.done}'`),
      /is erased, and nobody erased it/,
    ],
    [
      'operations that are emptied',
      (db) => db('front').exec('DELETE FROM operations'),
      /What user:\S+ did at \S+ \(kill, op_\w+\) is missing among the operations/,
    ],
    [
      'an operation whose reason is another',
      (db) => db('front').exec("UPDATE operations SET result = replace(result, 'enough', 'an accident')"),
      /\(kill, op_\w+\) was changed/,
    ],
    [
      'an operation that is put in afterwards',
      (db) =>
        db('front').exec(
          "DELETE FROM operations WHERE n = 2; INSERT INTO operations (n, id, tenant, at, result) SELECT 2, 'op_forged', tenant, at, result FROM operations WHERE n = 3",
        ),
      /op_forged of operations was inserted later/,
    ],
    [
      'a token that is removed',
      (db, { token }) => db('front').exec(`DELETE FROM tokens WHERE id = '${token}'`),
      /Row token_\w+ of tokens is missing/,
    ],
    [
      'a token that is given another role',
      (db) => db('front').exec(`UPDATE tokens SET tenant = '*'`),
      /Row token_\w+ of tokens was changed/,
    ],
    [
      'a revoked token that works again',
      (db) => db('front').exec('UPDATE tokens SET revoked_at = NULL'),
      /revoked token_\w+ at .*; it is stored as if it had not been revoked/,
    ],
    ['history of the configuration that is removed', (db) => db('front').exec('DELETE FROM configs'), /Row 1 of configs is missing/],
    [
      'an alias that is moved by nobody',
      (db) => db('front').exec("UPDATE alias_moves SET by = 'token:ben' WHERE n = 1"),
      /Row 1 of alias_moves was changed/,
    ],
    [
      'a leaf of the log that is changed',
      (db) => db('corral').exec("UPDATE log SET leaf = replace(leaf, 'sleeps too long', 'x')"),
      /Leaf \d+ was changed/,
    ],
    ['a leaf of the log that is changed with its hash', (db) => rewrite(db('corral')), /The log has \d+ leaves with the root/],
    ['a leaf of the log that is removed', (db) => db('corral').exec('DELETE FROM log WHERE n = 5'), /Leaf 5 is missing/],
    [
      'a log that is cut off',
      (db) => db('corral').exec('DELETE FROM log WHERE n > 5'),
      /The log has \d+ leaves with the root .*; when it was last written it had/,
    ],
    [
      'an act that forgets what was just done',
      (db) =>
        db('front').exec(
          `DELETE FROM operations; INSERT INTO operations (n, id, tenant, at, result) VALUES (5000, 'op_x', NULL, ${Date.now()}, '{"by":"host","operation":"forget-operations","target":{"before":${Date.now()}}}')`,
        ),
      /is missing among the operations/,
    ],
  ])('%s', async (_, tamper, message) => {
    const { messages } = await afterwards(tamper);
    expect(messages).toContainEqual(expect.stringMatching(message));
  });
});

/** As somebody would who knows how leaves are hashed. */
function rewrite(db: DatabaseSync): void {
  const { n, leaf } = db.prepare("SELECT n, leaf FROM log WHERE leaf LIKE '%sleeps too long%'").get() as { n: number; leaf: string };
  const forged = canonical({ ...(JSON.parse(leaf) as object), reason: 'x' });
  db.prepare('UPDATE log SET leaf = ?, hash = ? WHERE n = ?').run(forged, leafHash(forged), n);
}

test('a log that is rewritten as a whole is found by a head that was kept elsewhere, and by nothing else', async () => {
  const everything = (db: (name: 'corral') => DatabaseSync) =>
    db('corral').exec("DELETE FROM log; DELETE FROM log_state; UPDATE quarantines SET reason = 'x'");
  expect((await afterwards(everything)).messages).toEqual([]);
  const { messages } = await afterwards(everything, (await told()).head);
  expect(messages.join('\n')).toMatch(/were not those|are not those whose head was kept|It was truncated/);
});

/** Makes a copy of the folder as a host had left it that knew of no log. */
async function beforeTheLog(): Promise<string> {
  const was = await told();
  const data = join(await shortFolder(), 'd');
  await mkdir(data);
  await cp(was.data, data, { recursive: true });
  const before = STEPS.findIndex((step) => step.includes('CREATE TABLE log ('));
  const added = STEPS.slice(before).join('\n');
  const db = databaseOf(data);
  for (const [, table] of added.matchAll(/CREATE TABLE (\w+)/g)) db.exec(`DROP TABLE ${table}`);
  for (const [, table, column] of added.matchAll(/ALTER TABLE (\w+) ADD COLUMN (\w+)/g))
    db.exec(`ALTER TABLE ${table} DROP COLUMN ${column}`);
  db.exec(`PRAGMA user_version = ${before}`);
  db.close();
  // The front door of that time had no archive.
  asFormat(data, 6);
  return data;
}

/** Lets a host go on with a folder, and says what verifying makes of all of it while it is up and afterwards. */
async function goesOn(data: string) {
  const { admin, host } = await front({ data, configText: JSON.stringify({ tenants: { local: {} }, files: { read: '.' } }) });
  const { run } = await admin.submitRun({ body: { agent: 'hello', input: { name: 'Eva' } } });
  await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
  await admin.putQuarantine({ body: { kind: 'agent', name: 'reader', reason: 'later' } });
  const up = await admin.verifyJournals({ body: {} });
  await host.close();
  const store = await SqliteStore.open(data);
  const { log, damaged } = await store.verify(undefined, undefined, { size: up.log.size, hash: up.log.hash });
  const leaves = new DatabaseSync(join(data, 'corral.db'), { readOnly: true });
  const of = (kind: string) =>
    (leaves.prepare(`SELECT leaf FROM log WHERE leaf LIKE '%"kind":"${kind}"%'`).all() as { leaf: string }[]).map(
      ({ leaf }) => JSON.parse(leaf) as { run?: string; name?: string; grant?: string },
    );
  const said = { ended: of('ended').map((one) => one.run), erased: of('erased').map((one) => one.run), begins: of('begins').length };
  leaves.close();
  await store.close();
  return { up: up.log.problems, problems: log.problems, damaged, log, said, run };
}

test('a folder from before the log begins one with all that is there, and a host goes on with it', async () => {
  const { runs } = await told();
  const { up, problems, damaged, log, said, run } = await goesOn(await beforeTheLog());
  expect({ up, problems, damaged }).toEqual({ up: [], problems: [], damaged: [] });
  expect(log).toMatchObject({ since: expect.any(Number) as number, before: 4 });
  expect(said).toMatchObject({ begins: 1, erased: [runs.erased] });
  expect(said.ended).toEqual(expect.arrayContaining([runs.done, runs.killed, run]));
});

test.each([
  ['a folder', async () => (await told()).data],
  ['a folder from before the log', beforeTheLog],
])('a backup of %s is restored into an empty one, whose log goes on', async (_, from) => {
  const data = await from();
  const folder = await shortFolder();
  const store = await SqliteStore.open(data);
  await store.backup(join(folder, 'b'), Date.now());
  const head = await store.logHead();
  await store.close();
  restore(join(folder, 'b'), join(folder, 'd'), join(data, 'keys.json'));
  const { up, problems, damaged, log, said } = await goesOn(join(folder, 'd'));
  expect({ up, problems, damaged }).toEqual({ up: [], problems: [], damaged: [] });
  expect(said.begins).toBe(1);
  expect(log.size).toBeGreaterThan(head.size);
  const again = await SqliteStore.open(join(folder, 'd'));
  expect((await again.verify(undefined, undefined, head)).log.problems).toEqual([]);
  await again.close();
});
