/** A backup of a data folder has every database of it, as of one moment, and is whole or refused. */
import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CorralError } from '@corral/protocol/errors';
import { SqliteStore } from '@corral/store/sqlite';
import { readManifest, restore } from '@corral/store/sqlite/backup';
import { CORRAL_MAIN } from '../command.ts';
import { databaseOf } from '../database.ts';
import { temporary } from '../world.ts';
import { commit, ended, live, message, record, runId } from './evidence.ts';
import { realTime, until } from '../until.ts';

/** A folder with runs, and a second database that stands for the front door's. */
async function folderOf(): Promise<{ folder: string; beside: (name: string) => string; store: SqliteStore; front: DatabaseSync }> {
  const parent = await temporary();
  const folder = join(parent, 'data');
  const store = await SqliteStore.open(folder);
  const front = databaseOf(folder, 'front.db');
  front.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 2000; CREATE TABLE told (n INTEGER PRIMARY KEY, run TEXT NOT NULL)');
  onTestFinished(() => front.close());
  return { folder, beside: (name) => join(parent, name), store, front };
}

/** Everything that every table of a database holds. */
function contentsOf(path: string): Record<string, unknown> {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all() as { name: string }[];
    const schema = db.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY type, name').all();
    const rows = tables.map(({ name }) => [
      name,
      db
        .prepare(`SELECT * FROM "${name}"`)
        .all()
        .map((row) => JSON.stringify(row))
        .sort(),
    ]);
    return { schema, version: db.prepare('PRAGMA user_version').get(), ...(Object.fromEntries(rows) as object) };
  } finally {
    db.close();
  }
}

/** The code of what some work was refused with. */
function refusalOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return (error as CorralError).code;
  }
  return undefined;
}

describe('a backup', () => {
  test('has everything that every table of every database holds, whatever was done before', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('entries' as const), n: fc.integer({ min: 1, max: 3 }), size: fc.integer({ min: 1, max: 9_000 }) }),
      fc.record({ kind: fc.constant('message' as const), to: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ kind: fc.constant('erase' as const) }),
      fc.record({ kind: fc.constant('quarantine' as const), name: fc.string({ minLength: 1, maxLength: 9 }) }),
      fc.record({ kind: fc.constant('table' as const), value: fc.string() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const { folder, beside, store, front } = await folderOf();
        const next = new Map([1, 2, 3].map((n) => [n, 2]));
        for (const n of next.keys()) await live(store, n, 1);
        await live(store, 9, 3, { value: 'z'.repeat(6_000), end: 5 });
        for (const [i, one] of steps.entries()) {
          if (one.kind === 'entries' || one.kind === 'message') {
            const n = one.kind === 'entries' ? one.n : 1;
            const seq = next.get(n) ?? 0;
            const outbox = one.kind === 'message' ? [{ ...message(n, one.to, i), key: `${i}.0` }] : [];
            await store.commit(commit(n, seq, { outbox, value: 'x'.repeat(one.kind === 'entries' ? one.size : 1) }));
            next.set(n, seq + 1);
          } else if (one.kind === 'erase') await store.erase(runId(9), 7);
          else if (one.kind === 'quarantine')
            await store.putQuarantine({ kind: 'agent', name: `t/${one.name}`, by: 'b', reason: 'r', at: i });
          else {
            // A table that this Corral knows nothing of is carried like any other.
            front.exec(`CREATE TABLE IF NOT EXISTS later (value TEXT)`);
            front.prepare('INSERT INTO later VALUES (?)').run(one.value);
          }
        }
        await store.backup(beside('b'), 1);
        await store.close();
        restore(beside('b'), beside('again'), join(folder, 'keys.json'));
        expect(contentsOf(join(beside('again'), 'front.db'))).toEqual(contentsOf(join(folder, 'front.db')));
        // Only what makes it another store differs: its era, and the mark on runs that had not ended.
        const [was, is] = [folder, beside('again')].map((one) => {
          const db = databaseOf(one);
          db.exec("UPDATE runs SET restored = 0; DELETE FROM meta WHERE name = 'era'");
          db.close();
          return contentsOf(join(one, 'corral.db'));
        });
        expect(is).toEqual(was);
      }),
      { numRuns: 12 },
    );
  });

  test('is of one moment in both databases, whatever is written meanwhile', async () => {
    const { beside, store, front } = await folderOf();
    await live(store, 1, 1);
    let writing = true;
    // Each run is admitted first and entered in the other database after that, as a front door does.
    const writer = (async () => {
      for (let n = 100; writing; n++) {
        await store.admit(record(n), [], 1);
        front.prepare('INSERT INTO told (run) VALUES (?)').run(runId(n));
      }
    })();
    for (let i = 0; i < 8; i++) {
      await store.backup(beside(`b${i}`), i);
      const runs = new DatabaseSync(join(beside(`b${i}`), 'corral.db'), { readOnly: true });
      const told = new DatabaseSync(join(beside(`b${i}`), 'front.db'), { readOnly: true });
      const known = new Set((runs.prepare('SELECT id FROM runs').all() as { id: string }[]).map(({ id }) => id));
      const listed = (told.prepare('SELECT run FROM told').all() as { run: string }[]).map(({ run }) => run);
      runs.close();
      told.close();
      expect(listed.filter((run) => !known.has(run))).toEqual([]);
      // At most the one that was between the two writes.
      expect(known.size - 1 - listed.length).toBeLessThanOrEqual(1);
    }
    writing = false;
    await writer;
    await store.close();
  });

  test('that is damaged anywhere, or has a part missing, is refused', async () => {
    const { beside, store } = await folderOf();
    await live(store, 1, 5, { end: 3 });
    await store.backup(beside('b'), 1);
    await store.close();
    expect(readManifest(beside('b')).files.map(({ name }) => name)).toEqual(['corral.db', 'front.db']);
    const flip = (path: string) => {
      const bytes = readFileSync(path);
      bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] as number) ^ 1;
      writeFileSync(path, bytes);
    };
    const edit = (change: (manifest: Record<string, unknown>) => void) => (at: string) => {
      const manifest = JSON.parse(readFileSync(join(at, 'backup.json'), 'utf8')) as Record<string, unknown>;
      change(manifest);
      writeFileSync(join(at, 'backup.json'), JSON.stringify(manifest));
    };
    const wounds: Record<string, (at: string) => unknown> = {
      'a flipped bit in corral.db': (at) => flip(join(at, 'corral.db')),
      'a flipped bit in front.db': (at) => flip(join(at, 'front.db')),
      'a short corral.db': (at) => truncateSync(join(at, 'corral.db'), 4096),
      'a short front.db': (at) => truncateSync(join(at, 'front.db'), 0),
      'no corral.db': (at) => rm(join(at, 'corral.db')),
      'no front.db': (at) => rm(join(at, 'front.db')),
      'no manifest': (at) => rm(join(at, 'backup.json')),
      'half a manifest': (at) => truncateSync(join(at, 'backup.json'), 100),
      'a manifest without front.db': edit((manifest) => (manifest['files'] = (manifest['files'] as unknown[]).slice(0, 1))),
      'a manifest of another era': edit((manifest) => (manifest['era'] = 99)),
      'a manifest of another time': edit((manifest) => (manifest['at'] = 99)),
      'a manifest that names a path': edit((manifest) => ((manifest['files'] as { name: string }[])[1] = { name: '../x' })),
      'a manifest of a format to come': edit((manifest) => (manifest['format'] = 3)),
      'a manifest that is no object': (at) => writeFileSync(join(at, 'backup.json'), 'null'),
      'databases exchanged': (at) => copyFileSync(join(at, 'corral.db'), join(at, 'front.db')),
    };
    for (const [wound, inflict] of Object.entries(wounds)) {
      const at = beside(wound);
      await cp(beside('b'), at, { recursive: true });
      await inflict(at);
      const into = beside(`from ${wound}`);
      expect({ wound, code: refusalOf(() => restore(at, into)) }).toEqual({ wound, code: 'CORRAL_BACKUP_INVALID' });
      // Nothing is there that opens as a data folder, and the next restore into it is not in its way.
      expect({ wound, there: existsSync(join(into, 'corral.db')) }).toEqual({ wound, there: false });
      restore(beside('b'), into);
      expect({ wound, names: readdirSync(into).sort() }).toEqual({ wound, names: ['corral.db', 'front.db'] });
    }
  });

  test('of an older Corral, which had the store of runs alone, is still taken', async () => {
    const { folder, beside, store } = await folderOf();
    await live(store, 1, 2, { end: 3 });
    await store.backup(beside('b'), 1);
    await store.close();
    await rm(join(beside('b'), 'front.db'));
    const bytes = readFileSync(join(beside('b'), 'corral.db'));
    const manifest = { format: 1, era: 1, at: 1, bytes: bytes.length, digest: `sha256:${hash('sha256', bytes)}` };
    writeFileSync(join(beside('b'), 'backup.json'), JSON.stringify(manifest));
    expect(restore(beside('b'), beside('again'), join(folder, 'keys.json'))).toMatchObject({ held: 0, era: 2 });
    const back = await SqliteStore.open(beside('again'));
    expect(await back.journal(runId(1))).toHaveLength(2);
    await back.close();
  });

  test('that its process did not live to finish is no backup, and the next one takes its place', async () => {
    const { folder, beside, store } = await folderOf();
    for (let n = 1; n <= 6; n++) await live(store, n, 60, { value: 'y'.repeat(60_000) + String(n), end: 2 });
    await store.close();
    const left: (string | undefined)[] = [];
    for (const after_ms of [0, 5, 15, 40, 90]) {
      const child = spawn(process.execPath, [CORRAL_MAIN, 'backup', beside('b'), '--data', folder], { stdio: 'ignore' });
      const over = new Promise((resolve) => child.on('close', resolve));
      const hasBegun = () => existsSync(beside('b')) && readdirSync(beside('b')).length > 0;
      await until(() => child.exitCode !== null || hasBegun(), 'the backup has begun');
      await realTime(after_ms, 'a kill at several moments');
      child.kill('SIGKILL');
      await over;
      const whole = existsSync(join(beside('b'), 'backup.json'));
      left.push(whole ? undefined : refusalOf(() => restore(beside('b'), beside('x'))));
      // Only what says that it is half is taken away by the next one.
      if (whole || readdirSync(beside('b')).includes('corral.db')) await rm(beside('b'), { recursive: true });
    }
    expect(left).toContain('CORRAL_BACKUP_INVALID');
    expect(left.filter((one) => one !== undefined && one !== 'CORRAL_BACKUP_INVALID')).toEqual([]);
    const again = await SqliteStore.open(folder);
    await again.backup(beside('b'), 5);
    await again.close();
    expect(readdirSync(beside('b')).sort()).toEqual(['backup.json', 'corral.db', 'front.db']);
    expect(restore(beside('b'), beside('last'))).toMatchObject({ held: 0 });
  });
});

test('payloads that are cut into parts come back whole, and share their parts: erasing one run leaves the other’s', async () => {
  const { folder, beside, store } = await folderOf();
  // The same conversation, sent again with a little more each time.
  const said = Array.from({ length: 1_000 }, (_, i) => hash('sha256', `${i}`)).join(' ');
  const prompts = [said, `${said} and more`, `${said} and more, and more`];
  for (const [i, value] of prompts.entries()) await live(store, i + 1, 2, { value, end: 3 });
  const kept = (of: SqliteStore, ...runs: readonly number[]) => Promise.all(runs.map((n) => of.journal(runId(n))));
  const before = await kept(store, 1, 2, 3);
  await store.backup(beside('b'), 4);
  await store.close();
  const db = new DatabaseSync(join(beside('b'), 'corral.db'), { readOnly: true });
  const { blobs, bytes } = db.prepare('SELECT count(*) AS blobs, sum(length(data)) AS bytes FROM blobs').get() as {
    blobs: number;
    bytes: number;
  };
  db.close();
  expect(blobs).toBeGreaterThan(prompts.length + 1);
  expect(bytes).toBeLessThan(2 * said.length);
  restore(beside('b'), beside('again'), join(folder, 'keys.json'));
  const again = await SqliteStore.open(beside('again'));
  expect(await kept(again, 1, 2, 3)).toEqual(before);
  await again.erase(runId(1), 5);
  await again.gc(6);
  expect(await kept(again, 2, 3)).toEqual(before.slice(1));
  await again.close();
});

test('what was erased before a backup is not in it', async () => {
  const { beside, store } = await folderOf();
  await live(store, 1, 2, { value: 'Baker Street '.repeat(800) });
  await store.commit(commit(1, 3, { status: ended('x') }));
  await store.erase(runId(1), 4);
  await store.gc(5);
  await store.backup(beside('b'), 1);
  await store.close();
  const db = new DatabaseSync(join(beside('b'), 'corral.db'), { readOnly: true });
  expect(db.prepare('SELECT count(*) AS n FROM blobs').get()).toEqual({ n: 0 });
  expect(db.prepare('SELECT key FROM records').get()).toEqual({ key: null });
  expect(db.prepare('PRAGMA freelist_count').get()).toEqual({ freelist_count: 0 });
  db.close();
});
