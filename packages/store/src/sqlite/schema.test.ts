/** Migrations: what a folder of an earlier Corral has is there, and says the same, after the steps that came since. */
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { record, runId } from '../fixtures/commits.ts';
import { MasterKeys } from '../core/keys.ts';
import { SqliteCore } from './core.ts';
import { migrate, STEPS } from './schema.ts';

const KEYS = new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]]));

/** Makes a database with the first steps only. */
function older(steps: number): DatabaseSync {
  const db = new DatabaseSync(':memory:');
  for (const step of STEPS.slice(0, steps)) db.exec(step);
  db.exec(`PRAGMA user_version = ${steps}`);
  return db;
}

test('a folder from before nodes had leases: its last host is gone, what that held is taken up, and its downtimes are as they were', () => {
  const before = STEPS.findIndex((step) => step.includes('ADD COLUMN lease '));
  const db = older(before);
  // The writer of that time had counted four openings; in the second, a command had opened it for a moment.
  db.exec("INSERT INTO meta (name, value) VALUES ('era', '4')");
  db.exec('INSERT INTO eras (era, since, until) VALUES (1, 100, 200), (3, 300, 450), (4, 500, 600)');
  migrate(db);
  const now = 1_000;
  const core = new SqliteCore(db, KEYS, undefined, () => now);
  core.nextEra();
  core.admit(record(1), [], 4);
  expect(core.downtimes()).toEqual([
    { from: 200, until: 300 },
    { from: 450, until: 500 },
  ]);
  expect(core.resident(undefined, 10)).toEqual([runId(1)]);
  const node = core.join('embedded', 700);
  expect(node).toBeGreaterThan(4);
  expect(core.downtimes().at(-1)).toEqual({ from: 600, until: 700 });
  expect(core.beat(4, 710)).toBe(false);
  expect(core.claim(runId(1), node)).toMatchObject({ epoch: 2, attempts: 1 });
  db.close();
});
