/** Migrations: what a folder of an earlier Corral has is there, and says the same, after the steps that came since. */
import { createHmac, hash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { ALL_OF_INBOX } from '@corral/protocol/ports/store';
import type { PendingDelivery } from '@corral/protocol/wire/delivery';
import { encodeTexts } from '../core/body.ts';
import { commit, entry, record, runId } from '../fixtures/commits.ts';
import { MasterKeys } from '../core/keys.ts';
import { PLACE } from '../core/places.ts';
import { chain, newKey, seal } from '../core/seal.ts';
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
  expect(core.claim(runId(1), node, 710)).toMatchObject({ epoch: 2, attempts: 1 });
  db.close();
});

test('a folder from before deliveries were sealed without their number: those that wait are read beside new ones, and can be taken', () => {
  const db = older(STEPS.findIndex((step) => step.includes('ADD COLUMN format ')));
  // As the store of that time wrote them: each delivery under its number, refusals and kept answers included.
  const key = newKey();
  const { version, wrapped } = KEYS.wrap('t', key, runId(1));
  const sealed = (place: string, value: unknown) => seal(key, `${runId(1)}:${place}`, encodeTexts([JSON.stringify(value)]));
  db.prepare(
    `INSERT INTO runs (n, id, tenant, lifecycle, control, epoch, inbox_seq, checkpoint, parked, created_at)
     VALUES (1, ?, 't', 'active', 'none', 1, 2, 0, 0, 1)`,
  ).run(runId(1));
  db.prepare('INSERT INTO records (n, version, key, record) VALUES (1, ?, ?, ?)').run(version, wrapped, sealed('record', record(1)));
  const message: PendingDelivery = { kind: 'message', from: { run: runId(2), agent: 'a' as never }, body: 'old', depth: 1 };
  const error = { code: 'CORRAL_RECIPIENT_ENDED' as const, message: 'The run this request was for has ended.', hint: '', retryable: false };
  const refusal: PendingDelivery = { kind: 'reply', results: [{ id: 4, error: { ...error, call: 4 } }] };
  const answer: PendingDelivery = { kind: 'reply', results: [{ id: 7, value: 'kept' }] };
  const put = db.prepare('INSERT INTO inbox (run, seq, sender, key, delivery, at) VALUES (1, ?, ?, ?, ?, 5)');
  put.run(1, runId(2), '1.0', sealed('inbox:1', message));
  put.run(2, runId(1), 'answer.4', sealed('inbox:2', refusal));
  put.run(-7, 'tool', 'call.7', sealed('inbox:-7', answer));
  migrate(db);
  const core = new SqliteCore(db, KEYS);
  core.admit(record(2), [], 1);
  const more: PendingDelivery = { ...message, body: 'new' };
  expect(core.commit(commit(2, 1, { outbox: [{ to: runId(1), key: '1.0', delivery: more }] })).delivered).toEqual([3]);
  core.keep(runId(1), 1, [{ id: 8, value: 'new' }]);
  expect(core.inbox(runId(1), ALL_OF_INBOX)).toEqual([
    { seq: -8, delivery: { kind: 'reply', results: [{ id: 8, value: 'new' }] } },
    { seq: -7, at: 5, delivery: answer },
    { seq: 1, at: 5, delivery: message },
    { seq: 2, at: 5, delivery: refusal },
    { seq: 3, at: 11, delivery: more },
  ]);
  core.commit(commit(1, 1, { consumed: 1, answered: [7] }));
  expect(core.inbox(runId(1), ALL_OF_INBOX).map(({ seq }) => seq)).toEqual([-8, 2, 3]);
  // A delivery of the old format opens under its own number alone.
  db.prepare('UPDATE inbox SET seq = 9 WHERE seq = 2').run();
  expect(() => core.inbox(runId(1))).toThrow(expect.objectContaining({ code: 'CORRAL_JOURNAL_DAMAGED' }) as Error);
  db.close();
});

test('a delivery opens for its receiver, sender and key alone, and a refusal only in a form that the store writes', () => {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const core = new SqliteCore(db, KEYS);
  for (const n of [1, 2, 3]) core.admit(record(n), [], 1);
  const delivery: PendingDelivery = { kind: 'message', from: { run: runId(2), agent: 'a' as never }, body: 'x', depth: 1 };
  core.commit(commit(2, 1, { outbox: [{ to: runId(1), key: '1.0', delivery }] }));
  expect(core.inbox(runId(1))).toMatchObject([{ delivery }]);
  const refused = expect.objectContaining({ code: 'CORRAL_JOURNAL_DAMAGED' }) as Error;
  for (const [column, value] of [
    ['sender', runId(3)],
    ['key', '1.1'],
    ['run', 3],
    ['format', 0],
    ['format', 1],
  ] as const) {
    db.exec('SAVEPOINT change');
    db.prepare(`UPDATE inbox SET ${column} = ?`).run(value);
    expect(() => core.inbox(column === 'run' ? runId(3) : runId(1))).toThrow(refused);
    db.exec('ROLLBACK TO change; RELEASE change');
  }
  const forged = { refused: 'unheard-of', call: 1 };
  db.prepare('UPDATE inbox SET format = 0, delivery = ?').run(Buffer.from(JSON.stringify(forged)));
  expect(() => core.inbox(runId(1))).toThrow(refused);
  expect(core.verifyStep({ run: runId(1) }).damaged).toMatchObject([{ run: runId(1), problem: 'record' }]);
  db.close();
});

test('a folder from before large payloads were cut: whole ones are read, beside the same text in parts, and go with their run', () => {
  const db = older(STEPS.findIndex((step) => step.includes('CREATE TABLE parts')));
  const delivery = JSON.stringify({ kind: 'start', input: 'x'.repeat(20_000) });
  const from = delivery.indexOf('"x');
  const payload = Buffer.from(delivery.slice(from, -1));
  // As the store of that time wrote it: one blob for the payload, which the entry names by position, id and key.
  const secret = (purpose: string) =>
    createHmac('sha256', KEYS.derive('t', purpose))
      .update(hash('sha256', payload, 'buffer'))
      .digest();
  const [id, blobKey] = [secret('blob-id').toString('base64url'), secret('blob-key')];
  const key = newKey();
  const { version, wrapped } = KEYS.wrap('t', key, runId(1));
  const cut = { text: 0, at: from, id, key: blobKey.toString('base64url'), height: 0 };
  const body = seal(key, PLACE.entry(runId(1), 1), encodeTexts([`${delivery.slice(0, from)}}`, undefined, '{}'], [cut]));
  const link = { seq: 1, at: 5, cpu_us: 0, waiting: 'nothing', body };
  db.prepare(
    `INSERT INTO runs (n, id, tenant, lifecycle, control, epoch, inbox_seq, checkpoint, parked, created_at)
     VALUES (1, ?, 't', 'ended', 'none', 1, 0, 0, 0, 1)`,
  ).run(runId(1));
  const sealed = seal(key, PLACE.record(runId(1)), encodeTexts([JSON.stringify(record(1))]));
  db.prepare('INSERT INTO records (n, version, key, record) VALUES (1, ?, ?, ?)').run(version, wrapped, sealed);
  db.prepare("INSERT INTO journal (run, seq, at, cpu_us, waiting, hash, body) VALUES (1, 1, 5, 0, 'nothing', ?, ?)").run(
    chain(new Uint8Array(0), runId(1), link),
    body,
  );
  db.prepare("INSERT INTO blobs (b, tenant, id, data) VALUES (1, 't', ?, ?)").run(id, seal(blobKey, `blob:${id}`, payload));
  db.exec('INSERT INTO refs (run, seq, blob) VALUES (1, 1, 1)');
  migrate(db);
  const core = new SqliteCore(db, KEYS);
  core.nextEra();
  core.admit(record(2), [], 1);
  core.commit(commit(2, 1, { entry: entry(1, { delivery }) }));
  for (const n of [1, 2]) expect(core.journal(runId(n))[0]?.delivery).toBe(delivery);
  const bytes = () => (db.prepare('SELECT sum(length(data)) AS n FROM blobs').get() as { n: number }).n;
  expect(bytes()).toBeGreaterThan(40_000);
  expect(core.erase(runId(1), 9)).toMatchObject({ blobs: 1 });
  expect(bytes()).toBeLessThan(21_000);
  expect(core.journal(runId(2))[0]?.delivery).toBe(delivery);
  db.close();
});
