/** The log across hosts that are killed between noting that a run has moved and saying where it stands. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { SqliteCore } from './core.ts';
import { MasterKeys } from './keys.ts';
import { migrate } from './schema.ts';

const KEYS = new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]]));
const RUN = 'run_000000000001' as never;
const NOW = 1_000;

test('a host that was killed after several entries of one run leaves the next one the last of them, with its own hash', () => {
  const folder = mkdtempSync(join(tmpdir(), 'corral-test-'));
  const path = join(folder, 'corral.db');
  let db = new DatabaseSync(path);
  onTestFinished(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });
  migrate(db);
  let core = new SqliteCore(db, KEYS);
  core.nextEra();
  core.admit({ id: RUN, tenant: 't', created_at: 1 } as never, [], true);
  const status = { lifecycle: 'active', control: 'none', waiting: 'message', outcome: undefined, ended_at: undefined } as const;
  for (let seq = 1; seq <= 3; seq++) {
    core.commit({
      run: RUN,
      epoch: 1,
      entry: { seq, at: seq, delivery: 'x', effects: '[]', decisions: [], event: undefined, cpu_us: 1 },
      status,
      consumed: undefined,
      outbox: [],
      spawned: [],
      grants: [],
      grantStates: [],
      timers: [],
      timersDone: [],
    });
    // It is still moving, so there is no leaf about its journal yet.
    expect(core.sequence(NOW, false)).toBe('moving');
  }
  db.close();
  db = new DatabaseSync(path);
  core = new SqliteCore(db, KEYS);
  while (core.sequence(NOW, true) !== 'done');
  const heads = db.prepare(`SELECT leaf FROM log WHERE leaf LIKE '%"kind":"head"%'`).all() as { leaf: string }[];
  const { hash } = db.prepare('SELECT lower(hex(hash)) AS hash FROM journal WHERE seq = 3').get() as { hash: string };
  expect(heads.map(({ leaf }) => JSON.parse(leaf) as unknown)).toEqual([{ kind: 'head', run: RUN, seq: 3, hash }]);
  expect(core.verifyLog({ run: undefined, tenant: undefined, head: undefined }).problems).toEqual([]);
});
