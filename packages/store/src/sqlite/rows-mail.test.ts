/** Rules of the traffic between runs that no operation of the port shows: what is left behind would only take up space. */
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { MasterKeys } from '../core/keys.ts';
import { commit, DONE, message, record, runId } from '../fixtures/commits.ts';
import { SqliteCore } from './core.ts';
import { migrate } from './schema.ts';

test('keeps no request that a run has made and does not wait for any more, since it has ended', () => {
  const db = new DatabaseSync(':memory:');
  onTestFinished(() => db.close());
  migrate(db);
  const core = new SqliteCore(db, new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]])));
  core.nextEra();
  for (const n of [1, 2, 3]) core.admit(record(n), [], 1);
  const asks = (n: number, request: number) => {
    const sent = message(3, '1.0');
    return commit(n, 1, { outbox: [{ ...sent, delivery: { ...sent.delivery, request } }] });
  };
  core.commit(asks(1, 5));
  core.commit(asks(2, 6));
  core.commit(commit(1, 2, { status: DONE }));
  expect(db.prepare('SELECT requester, id FROM requests').all()).toEqual([{ requester: runId(2), id: 6 }]);
});
