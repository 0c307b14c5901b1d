import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { commit, entry, record, runId } from '../fixtures/commits.ts';
import { SqliteCore } from './core.ts';
import { MasterKeys } from '../core/keys.ts';
import { migrate } from './schema.ts';

const KEYS = new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]]));

/** A database file with two runs, mostly on pages of their own. */
function database(entries: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'corral-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'corral.db');
  const db = new DatabaseSync(path);
  migrate(db);
  const core = new SqliteCore(db, KEYS);
  core.nextEra();
  for (const n of [1, 2]) {
    core.admit(record(n), [], 1);
    for (let seq = 1; seq <= entries; seq++) {
      core.commit(commit(n, seq, { entry: entry(seq, { delivery: 'x'.repeat(900) }) }));
    }
  }
  db.close();
  return path;
}

test('a page that cannot be read is the trouble of the run that stands on it', async () => {
  const path = database(50);
  const before = new DatabaseSync(path);
  const { pageno, pgsize } = before
    .prepare("SELECT pageno, pgsize FROM dbstat WHERE name = 'journal' AND pagetype = 'leaf' ORDER BY pageno LIMIT 1 OFFSET 2")
    .get() as { pageno: number; pgsize: number };
  before.close();
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(200, 0xff), 0, 200, (pageno - 1) * pgsize);
  await file.close();

  const db = new DatabaseSync(path);
  const core = new SqliteCore(db, KEYS);
  expect(() => core.journal(runId(1))).toThrow(expect.objectContaining({ code: 'CORRAL_JOURNAL_DAMAGED' }) as Error);
  expect(core.journal(runId(2))).toHaveLength(50);
  expect(core.verifyStep({ run: runId(1) }).damaged).toMatchObject([{ run: runId(1), problem: 'pages' }]);
  db.close();
});

test('reading from the middle checks from the middle, and needs the entry before', () => {
  const path = database(6);
  const db = new DatabaseSync(path);
  const core = new SqliteCore(db, KEYS);
  expect(core.journal(runId(1), 4).map((entry) => entry.seq)).toEqual([5, 6]);
  expect(core.journal(runId(1), 6)).toEqual([]);
  expect(core.journal(runId(1), 60)).toEqual([]);
  db.exec('DELETE FROM journal WHERE run = 1 AND seq = 3');
  expect(core.journal(runId(1), 4)).toHaveLength(2);
  expect(() => core.journal(runId(1), 3)).toThrow(/Entry 3 of .* is missing/);
  expect(() => core.journal(runId(1), 1)).toThrow(/Entry 3 of .* is missing/);
  db.close();
});
