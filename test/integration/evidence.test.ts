/** The evidence that every store must keep of a run, prove about it, and be able to forget. */
import { readdirSync, readFileSync } from 'node:fs';
import { cp, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { Grant } from '@corral/protocol/model/grant';
import { SqliteStore } from '@corral/store/sqlite';
import { restore } from '@corral/store/sqlite/backup';
import { databaseOf } from '../database.ts';
import { BUNDLE, commit, ended, entry, live, message, opener, runId, SOURCE } from './evidence.ts';

const SECRET = 'Ada lives in Baker Street';
const LARGE = { text: SECRET.repeat(250), and: ['"\\', 'ü€😀'] };

/** Whether any file of a folder holds these bytes. */
function holds(folder: string, bytes: string | Uint8Array): boolean {
  return readdirSync(folder).some((name) => readFileSync(join(folder, name)).includes(bytes));
}

/** Does to the database what no store would. */
function tamper<T>(folder: string, work: (db: DatabaseSync) => T): T {
  const db = databaseOf(folder);
  try {
    return work(db);
  } finally {
    db.close();
  }
}

describe('a store seals what runs say', () => {
  test('nothing of inputs, results, messages and outcomes stands on the disk in the clear', async () => {
    const { folder, open } = await opener();
    const store = await open();
    for (const [n, value] of [SECRET, LARGE].entries()) {
      await live(store, n + 1, 2, { value });
      await live(store, n + 11, 1);
      await store.commit(commit(n + 1, 3, { value, outbox: [message(n + 1, n + 11, value)], status: ended(value) }));
    }
    expect(holds(folder, 'Baker Street')).toBe(false);
    expect(await store.run(runId(2))).toMatchObject({
      record: { input: LARGE },
      status: { outcome: { kind: 'completed', output: LARGE } },
    });
    expect(await store.journal(runId(2))).toEqual([1, 2, 3].map((seq) => entry(seq, LARGE)));
    expect(await store.inbox(runId(12))).toMatchObject([{ delivery: { body: LARGE } }]);
    await store.close();
    expect(holds(folder, 'Baker Street')).toBe(false);
    expect(tamper(folder, (db) => db.prepare('SELECT outcome_kind FROM runs WHERE id = ?').get(runId(2)))).toEqual({
      outcome_kind: 'completed',
    });
  });

  test('a large payload lives once a tenant, however often it is said', async () => {
    const { folder, open } = await opener();
    const store = await open();
    for (const n of [1, 2, 3]) await live(store, n, 4, { value: LARGE, tenant: n === 3 ? 'other' : 't' });
    await store.close();
    expect(tamper(folder, (db) => db.prepare('SELECT tenant, count(*) AS n FROM blobs GROUP BY tenant ORDER BY tenant').all())).toEqual([
      { tenant: 'other', n: 1 },
      { tenant: 't', n: 1 },
    ]);
  });

  test('sealed rows of two runs cannot be exchanged', async () => {
    const { folder, open } = await opener();
    const store = await open();
    await live(store, 1, 1);
    await live(store, 2, 1);
    await store.close();
    tamper(folder, (db) => db.exec('UPDATE records SET record = (SELECT record FROM records WHERE n = 1) WHERE n = 2'));
    const again = await open();
    await expect(again.run(runId(2))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_DAMAGED', message: expect.stringContaining(runId(2)) });
    expect((await again.runs({})).map((one) => one.record.id)).toEqual([runId(1)]);
    await expect(again.claim(runId(2), await again.join('a', 1), 1)).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_DAMAGED' });
    expect((await again.verify()).damaged).toMatchObject([{ run: runId(2), entry: 0, problem: 'record' }]);
    await again.close();
  });
});

test('a run whose record is gone is named, and is no reason not to list the others', async () => {
  const { folder, open } = await opener();
  const store = await open();
  for (const n of [1, 2]) await live(store, n, 1);
  await store.close();
  tamper(folder, (db) => db.exec('DELETE FROM records WHERE n = 1'));
  const again = await open();
  await expect(again.run(runId(1))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_DAMAGED' });
  await expect(again.journal(runId(1))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_DAMAGED' });
  expect((await again.runs({ ended: false })).map((one) => one.record.id)).toEqual([runId(2)]);
  // A reader that goes page by page does not take a page with a hole in it for the last one.
  expect((await again.runs({ limit: 1 })).map((one) => one.record.id)).toEqual([runId(2)]);
  expect((await again.verify()).damaged).toMatchObject([{ run: runId(1), entry: 0, problem: 'record' }]);
  await again.close();
});

describe('a store knows its keys', () => {
  const master = (byte: number) => Buffer.alloc(32, byte).toString('base64');

  test('the key file is for its owner alone, and the folder does not open without it', async () => {
    const { folder, open } = await opener();
    const store = await open();
    await live(store, 1, 1);
    await store.close();
    expect((await stat(join(folder, 'keys.json'))).mode & 0o777).toBe(0o600);
    await rm(join(folder, 'keys.json'));
    await expect(open()).rejects.toMatchObject({ code: 'CORRAL_KEYS_MISSING' });
    await writeFile(join(folder, 'keys.json'), '{}');
    await expect(open()).rejects.toMatchObject({ code: 'CORRAL_KEYS_WRONG' });
  });

  test('a wrong master key is refused before anything is read with it, and an old one goes on opening what it wrapped', async () => {
    const { folder, open } = await opener();
    const store = await open({ keys: { kind: 'master', keys: master(1) } });
    await live(store, 1, 1, { value: LARGE });
    await store.close();
    expect(readdirSync(folder)).not.toContain('keys.json');
    await expect(open({ keys: { kind: 'master', keys: master(2) } })).rejects.toMatchObject({ code: 'CORRAL_KEYS_WRONG' });
    await expect(open({ keys: { kind: 'master', keys: `2:${master(2)}` } })).rejects.toMatchObject({ code: 'CORRAL_KEYS_MISSING' });
    const rotated = await open({ keys: { kind: 'master', keys: `2:${master(2)},1:${master(1)}` } });
    await live(rotated, 2, 1, { value: LARGE });
    for (const n of [1, 2]) expect(await rotated.journal(runId(n))).toEqual([entry(1, LARGE)]);
    await rotated.close();
  });
});

describe('a damaged journal is the trouble of its run alone', () => {
  const wounds: readonly [string, (db: DatabaseSync) => void, { entry: number; problem: string }][] = [
    [
      'a flipped byte',
      (db) => {
        const { body } = db.prepare('SELECT body FROM journal WHERE run = 1 AND seq = 2').get() as { body: Uint8Array };
        body[20] = (body[20] as number) ^ 1;
        db.prepare('UPDATE journal SET body = ? WHERE run = 1 AND seq = 2').run(body);
      },
      { entry: 2, problem: 'hash' },
    ],
    ['a missing span', (db) => db.exec('DELETE FROM journal WHERE run = 1 AND seq IN (2, 3)'), { entry: 2, problem: 'gap' }],
    ['a missing beginning', (db) => db.exec('DELETE FROM journal WHERE run = 1 AND seq = 1'), { entry: 1, problem: 'gap' }],
    ['a missing end', (db) => db.exec('DELETE FROM journal WHERE run = 1 AND seq = 4'), { entry: 4, problem: 'gap' }],
    ['a changed time', (db) => db.exec('UPDATE journal SET at = at + 1 WHERE run = 1 AND seq = 3'), { entry: 3, problem: 'hash' }],
    [
      'a payload that is gone',
      (db) => db.exec('DELETE FROM blobs WHERE b = (SELECT blob FROM refs WHERE run = 1 AND seq = 3)'),
      { entry: 1, problem: 'payload' },
    ],
    [
      'a part of a payload that is gone',
      (db) => db.exec('DELETE FROM blobs WHERE b = (SELECT part FROM parts ORDER BY part LIMIT 1)'),
      { entry: 1, problem: 'payload' },
    ],
    [
      'a part of a payload that was changed',
      (db) =>
        db.exec(
          "UPDATE blobs SET data = substr(data, 1, length(data) - 1) || x'00' WHERE b = (SELECT part FROM parts ORDER BY part LIMIT 1)",
        ),
      { entry: 1, problem: 'payload' },
    ],
  ];

  test.each(wounds)('%s is found when it is read and named by verification', async (_, wound, { entry: at, problem }) => {
    const { folder, open } = await opener();
    const store = await open();
    await live(store, 1, 4, { value: 'x'.repeat(20_000), end: 50 });
    await live(store, 2, 4);
    await store.close();
    tamper(folder, wound);

    const again = await open();
    await expect(again.journal(runId(1))).rejects.toMatchObject({
      code: 'CORRAL_JOURNAL_DAMAGED',
      message: expect.stringMatching(`Entry ${at} of ${runId(1)}`),
    });
    expect(await again.journal(runId(2))).toHaveLength(4);
    await again.commit(commit(2, 5));
    const { damaged, runs } = await again.verify();
    expect(runs).toBe(2);
    expect(damaged).toMatchObject([{ run: runId(1), entry: at, problem }]);
    expect((await again.verify(runId(2))).damaged).toEqual([]);
    await again.close();
  });

  test('a bundle that is gone, or that is another, is named', async () => {
    const { folder, open } = await opener();
    const store = await open();
    await live(store, 1, 1);
    expect(await store.verify()).toMatchObject({ runs: 1, entries: 1, forgotten: 0, damaged: [], log: { count: 0, problems: [] } });
    await store.close();
    tamper(folder, (db) => db.exec("UPDATE bundles SET source = 'another'"));
    const changed = await open();
    expect((await changed.verify()).damaged).toMatchObject([{ run: runId(1), problem: 'bundle' }]);
    await changed.close();
    tamper(folder, (db) => db.exec('DELETE FROM bundles'));
    const gone = await open();
    expect((await gone.verify(runId(1))).damaged).toMatchObject([{ problem: 'bundle', message: expect.stringContaining(BUNDLE) }]);
    await expect(gone.verify(runId(9))).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
    await gone.close();
  });

  test('it can be ended and then erased, whatever can still be read of it', async () => {
    const { folder, open } = await opener();
    const store = await open();
    for (const n of [1, 2]) await live(store, n, 2);
    await store.close();
    tamper(folder, (db) => db.exec("DELETE FROM journal WHERE run = 1 AND seq = 1; UPDATE records SET key = x'01' WHERE n = 2"));
    const again = await open();
    const killed = { kind: 'killed', by: 'ana', reason: SECRET } as const;
    for (const n of [1, 2]) await again.bury(runId(n), killed, 7);
    await again.bury(runId(1), { ...killed, by: 'bob' }, 8);
    expect(await again.run(runId(1))).toMatchObject({ status: { lifecycle: 'ended', outcome: killed, ended_at: 7 } });
    await expect(again.run(runId(2))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_DAMAGED' });
    expect(holds(folder, SECRET)).toBe(false);
    for (const n of [1, 2]) await again.erase(runId(n), 9);
    expect((await again.verify()).damaged).toMatchObject([{ run: runId(1), entry: 1, problem: 'gap' }]);
    await again.close();
  });

  test('a message to a run whose key is damaged does not stop its sender', async () => {
    const { folder, open } = await opener();
    const store = await open();
    await live(store, 1, 1);
    await live(store, 2, 1);
    await store.close();
    tamper(folder, (db) => db.exec("UPDATE records SET key = x'01' WHERE n = 2"));
    const again = await open();
    expect(await again.commit(commit(1, 2, { outbox: [message(1, 2, 'hello')] }))).toEqual({ delivered: [0] });
    await expect(again.commit(commit(2, 2))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_DAMAGED' });
    await again.close();
  });
});

describe('a run can be forgotten', () => {
  const grant = (holder: number, path: string): Grant => ({
    id: `grant_${String(holder).padStart(12, '0')}` as never,
    parent: undefined,
    holder: runId(holder),
    target: { kind: 'tool', tool: 'look' as never },
    where: { path: { under: path } },
    uses: undefined,
    expires_at: undefined,
    depth: 0,
  });

  test('once it has ended: its key, payloads and predicates are gone, and the chain still verifies', async () => {
    const { folder, open } = await opener();
    const store = await open();
    await live(store, 1, 2, { value: LARGE });
    await live(store, 2, 2, { value: LARGE });
    await store.commit(commit(1, 3, { grants: [grant(1, SECRET)], value: { ...LARGE, more: 1 } }));
    await expect(store.erase(runId(1), 5)).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    await store.commit(commit(1, 4, { status: ended(LARGE) }));
    const [key, only] = tamper(folder, (db) => [
      (db.prepare('SELECT key FROM records WHERE n = 1').get() as { key: Uint8Array }).key,
      (db.prepare('SELECT data FROM blobs ORDER BY b DESC LIMIT 1').get() as { data: Uint8Array }).data.slice(-64),
    ]);
    expect([holds(folder, key), holds(folder, only), holds(folder, SECRET)]).toEqual([true, true, true]);

    await store.erase(runId(1), 5);
    await store.erase(runId(1), 6);
    expect([holds(folder, key), holds(folder, only), holds(folder, SECRET)]).toEqual([false, false, false]);
    await expect(store.run(runId(1))).rejects.toMatchObject({ code: 'CORRAL_RUN_ERASED' });
    await expect(store.journal(runId(1))).rejects.toMatchObject({ code: 'CORRAL_RUN_ERASED' });
    expect(await store.inbox(runId(1))).toEqual([]);
    expect(await store.grants(runId(1))).toMatchObject([{ where: {}, revoked: true }]);
    expect((await store.runs({})).map((one) => one.record.id)).toEqual([runId(2)]);
    expect(await store.verify()).toMatchObject({ runs: 2, entries: 6, forgotten: 4, damaged: [], log: { count: 0, problems: [] } });
    // A payload that another run had too is still there for that run.
    expect(await store.journal(runId(2))).toEqual([1, 2].map((seq) => entry(seq, LARGE)));
    await expect(store.erase(runId(9), 5)).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
    await store.close();
  });

  test('not while another run holds what it was derived from: without its predicates that would allow more', async () => {
    const { open } = await opener();
    const store = await open();
    await live(store, 1, 1);
    await live(store, 2, 1);
    const given = { ...grant(2, 'a/b'), parent: grant(1, 'a').id, depth: 1 };
    await store.commit(commit(1, 2, { grants: [grant(1, 'a'), given], status: ended(1) }));
    await expect(store.erase(runId(1), 5)).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE', message: expect.stringContaining(runId(2)) });
    expect(await store.run(runId(1))).toMatchObject({ status: { outcome: { output: 1 } } });
    await store.commit(commit(2, 2, { status: ended(2) }));
    await store.erase(runId(1), 5);
    await store.close();
  });

  test('when the retention of its tenant has passed: entries lose their bodies, not their hashes', async () => {
    const { open } = await opener();
    const store = await open({ retention_ms: { t: 100 } });
    await live(store, 1, 1_100, { end: 1_000 });
    await live(store, 2, 2, { value: LARGE, end: 1_001 });
    await live(store, 3, 2, { end: 1_000, tenant: 'keeps' });
    await live(store, 4, 2);
    expect(await store.gc(1_099)).toEqual({ runs: 0, entries: 0, blobs: 0, bytes: 0 });
    expect(await store.gc(1_100)).toMatchObject({ runs: 1, entries: 1_100, blobs: 0 });
    await expect(store.journal(runId(1))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_PRUNED' });
    expect(await store.run(runId(1))).toMatchObject({ seq: 1_100, status: { outcome: { kind: 'completed', output: 1 } } });
    // Its input and its outcome are kept, and so is the payload that they share with the journal.
    expect(await store.gc(1_101)).toMatchObject({ runs: 1, entries: 2, blobs: 0 });
    expect(await store.run(runId(2))).toMatchObject({ record: { input: LARGE }, status: { outcome: { output: LARGE } } });
    for (const n of [3, 4]) expect(await store.journal(runId(n))).toHaveLength(2);
    expect(await store.verify()).toMatchObject({ runs: 4, entries: 1_106, forgotten: 1_102, damaged: [], log: { count: 0, problems: [] } });

    await store.erase(runId(2), 2_000);
    expect(await store.gc(2_000)).toMatchObject({ runs: 1 });
    expect((await store.verify()).damaged).toEqual([]);
    await store.close();
  });

  test('erased runs give back their space whatever the retention', async () => {
    const { open } = await opener();
    const store = await open();
    await live(store, 1, 3, { value: 'y'.repeat(2_000), end: 1 });
    await store.erase(runId(1), 5);
    const freed = await store.gc(6);
    expect(freed).toMatchObject({ runs: 1, entries: 3 });
    expect(freed.bytes).toBeGreaterThan(3 * 4_000);
    expect(await store.gc(6)).toMatchObject({ runs: 0 });
    expect(await store.verify()).toMatchObject({ runs: 1, entries: 3, forgotten: 3, damaged: [], log: { count: 0, problems: [] } });
    await store.close();
  });
});

describe('a store can be copied and brought back', () => {
  test('while it runs; what comes back is another era that holds what had not ended', async () => {
    const { folder, open } = await opener();
    const store = await open();
    await live(store, 1, 2, { value: LARGE });
    await live(store, 2, 2, { end: 9 });
    const backup = join(folder, '..', 'backup');
    const writing = Promise.all(Array.from({ length: 50 }, (_, i) => store.commit(commit(1, i + 3))));
    const manifest = await store.backup(backup, 77);
    await writing;
    expect(manifest).toMatchObject({ format: 2, era: store.era, at: 77, files: [{ name: 'corral.db' }] });
    await expect(store.backup(backup, 78)).rejects.toMatchObject({ code: 'CORRAL_FOLDER_NOT_EMPTY' });
    await store.close();
    expect(readdirSync(backup).sort()).toEqual(['backup.json', 'corral.db']);

    const again = join(folder, '..', 'again');
    expect(() => restore(backup, folder)).toThrow(expect.objectContaining({ code: 'CORRAL_FOLDER_NOT_EMPTY' }) as Error);
    expect(restore(backup, again, join(folder, 'keys.json'))).toMatchObject({ held: 1, era: manifest.era + 1 });
    const back = await SqliteStore.open(again);
    expect(back.era).toBeGreaterThan(manifest.era);
    expect(await back.run(runId(1))).toMatchObject({ restored: true, record: { input: LARGE } });
    expect(await back.run(runId(2))).toMatchObject({ restored: false });
    expect((await back.journal(runId(1))).slice(0, 2)).toEqual([1, 2].map((seq) => entry(seq, LARGE)));
    expect((await back.verify()).damaged).toEqual([]);
    await back.release(runId(1));
    expect(await back.run(runId(1))).toMatchObject({ restored: false });
    await back.close();
  });

  test('a backup without its keys says so, and one that was changed is refused', async () => {
    const { folder, open } = await opener();
    const store = await open();
    await live(store, 1, 2);
    const backup = join(folder, '..', 'backup');
    await store.backup(backup, 1);
    await store.close();
    const keyless = join(folder, '..', 'keyless');
    restore(backup, keyless);
    await expect(SqliteStore.open(keyless)).rejects.toMatchObject({ code: 'CORRAL_KEYS_MISSING' });

    const changed = join(folder, '..', 'changed');
    await cp(backup, changed, { recursive: true });
    const bytes = readFileSync(join(changed, 'corral.db'));
    bytes[5000] = (bytes[5000] as number) ^ 1;
    await writeFile(join(changed, 'corral.db'), bytes);
    const invalid = expect.objectContaining({ code: 'CORRAL_BACKUP_INVALID' }) as Error;
    expect(() => restore(changed, join(folder, '..', 'x'))).toThrow(invalid);
    await writeFile(join(changed, 'corral.db'), bytes.subarray(0, 4096));
    expect(() => restore(changed, join(folder, '..', 'y'))).toThrow(invalid);
    await rm(join(changed, 'backup.json'));
    expect(() => restore(changed, join(folder, '..', 'z'))).toThrow(invalid);
  });
});

test('a truncated database file is refused with what to do, and damages nothing further', async () => {
  const { folder, open } = await opener();
  const store = await open();
  await live(store, 1, 200, { value: 'y'.repeat(2_000) });
  await store.close();
  const path = join(folder, 'corral.db');
  const bytes = readFileSync(path);
  await writeFile(path, bytes.subarray(0, Math.floor(bytes.length / 2 / 4096) * 4096));
  await expect(open()).rejects.toMatchObject({ code: 'CORRAL_DATA_CORRUPT' });
  await writeFile(path, bytes);
  const again = await open();
  expect(await again.bundle(BUNDLE)).toBe(SOURCE);
  expect((await again.verify()).damaged).toEqual([]);
  await again.close();
});
