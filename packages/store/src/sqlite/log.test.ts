/** The log with hosts that are killed at any of its steps, and in folders that were written before the log existed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { commit, record, runId } from '../fixtures/commits.ts';
import { SqliteCore } from './core.ts';
import { MasterKeys } from '../core/keys.ts';
import { migrate, STEPS } from './schema.ts';

const KEYS = new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]]));
const NOW = 1_000;
const DONE = { kind: 'completed', output: null } as const;
const FOLDER = { run: undefined, tenant: undefined, head: undefined };

/** A database in a folder of its own, and hosts that open it one after the other. */
function opened(): { db: DatabaseSync; core: SqliteCore; again: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'corral-test-'));
  const open = () => {
    const db = new DatabaseSync(join(folder, 'corral.db'));
    migrate(db);
    return { db, core: new SqliteCore(db, KEYS) };
  };
  const again = () => {
    host.db.close();
    Object.assign(host, open());
  };
  const host = { ...open(), again };
  host.core.nextEra();
  onTestFinished(() => {
    host.db.close();
    rmSync(folder, { recursive: true });
  });
  return host;
}

test('a host that was killed after several entries of one run leaves the next one the last of them, with its own hash', () => {
  const host = opened();
  const { core } = host;
  core.admit(record(1), [], 1);
  for (let seq = 1; seq <= 3; seq++) {
    core.commit(commit(1, seq));
    // The run is still moving, so its journal has no leaf yet.
    expect(core.sequence(NOW, false)).toBe('moving');
  }
  host.again();
  while (host.core.sequence(NOW, true) !== 'done');
  const { db } = host;
  const heads = db.prepare(`SELECT leaf FROM log WHERE leaf LIKE '%"kind":"head"%'`).all() as { leaf: string }[];
  const { hash } = db.prepare('SELECT lower(hex(hash)) AS hash FROM journal WHERE seq = 3').get() as { hash: string };
  expect(heads.map(({ leaf }) => JSON.parse(leaf) as unknown)).toEqual([{ kind: 'head', run: runId(1), seq: 3, hash }]);
  expect(host.core.verifyLog(FOLDER).problems).toEqual([]);
});

/** Removes the log from a database, as in a folder that was written before the log existed. */
function withoutLog(db: DatabaseSync): void {
  const before = STEPS.findIndex((step) => step.includes('CREATE TABLE log ('));
  const added = STEPS.slice(before).join('\n');
  for (const [, table] of added.matchAll(/CREATE TABLE (\w+)/g)) db.exec(`DROP TABLE ${table}`);
  for (const [, table, column] of added.matchAll(/ALTER TABLE (\w+) ADD COLUMN (\w+)/g))
    db.exec(`ALTER TABLE ${table} DROP COLUMN ${column}`);
  db.exec(`PRAGMA user_version = ${before}`);
}

test(
  'a folder from before the log is caught up with in steps, also by hosts that are killed between them, and goes on',
  { tags: 'long' },
  () => {
    const host = opened();
    // More runs and more entries than one step processes.
    const [RUNS, ENTRIES] = [520, 4];
    const ids = Array.from({ length: RUNS }, (_, i) => runId(i + 1));
    const write = (n: number, seq: number, ends: boolean) =>
      host.core.commit(
        commit(n, seq, ends ? { status: { lifecycle: 'ended', control: 'none', waiting: 'nothing', outcome: DONE, ended_at: seq } } : {}),
      );
    host.db.exec('BEGIN');
    for (const run of ids) host.core.admit({ id: run, tenant: 't', created_at: 1 } as never, [], 1);
    for (let seq = 1; seq <= ENTRIES; seq++) for (let n = 1; n <= RUNS; n++) write(n, seq, seq === ENTRIES && n % 2 === 1);
    host.db.exec('COMMIT');
    host.core.erase(runId(1), 9);
    withoutLog(host.db);
    let steps = 0;
    do {
      host.again();
      steps += 1;
    } while (host.core.sequence(NOW, true) === 'more');
    expect(steps).toBeGreaterThan(1);
    const leaves = (kind: string) =>
      (host.db.prepare(`SELECT leaf FROM log WHERE leaf LIKE '%"kind":"${kind}"%' ORDER BY n`).all() as { leaf: string }[]).map(
        ({ leaf }) => JSON.parse(leaf) as { run: string; seq: number },
      );
    expect(leaves('admitted').map(({ run }) => run)).toEqual(ids);
    const halves = [ids.filter((_, i) => i % 2 === 0), ids.filter((_, i) => i % 2 === 1)];
    expect(
      leaves('ended')
        .map(({ run }) => run)
        .sort(),
    ).toEqual(halves[0]);
    expect(
      leaves('head')
        .map(({ run }) => run)
        .sort(),
    ).toEqual(halves[1]);
    expect(leaves('head').every(({ seq }) => seq === ENTRIES)).toBe(true);
    expect(host.core.verifyLog(FOLDER)).toMatchObject({ since: NOW, before: RUNS, problems: [] });
    write(2, ENTRIES + 1, true);
    while (host.core.sequence(2 * NOW, true) !== 'done');
    expect(leaves('ended').at(-1)).toMatchObject({ run: ids[1], seq: ENTRIES + 1 });
    expect(host.core.verifyLog(FOLDER)).toMatchObject({ since: NOW, problems: [] });
  },
);
