/** Large payloads are stored before the entry that names them: a crash between the two loses nothing, and neither does a collection. */
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { MACHINE } from '@corral/protocol/limits';
import { commit, DONE, entry, record, runId } from '../fixtures/commits.ts';
import { SqliteCore } from '../sqlite/core.ts';
import { migrate } from '../sqlite/schema.ts';
import { MasterKeys } from './keys.ts';
import { Stale } from './prepared.ts';
import { BLOB_BYTES } from './split.ts';

const KEYS = new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]]));
const GRACE_MS = MACHINE.payload_grace_ms.default;
const NOW = 1_800_000_000_000;
const EVERYTHING = { retention_ms: {} };

/** A payload of two parts, and the list of them. */
const BLOBS = 3;
const large = (text: string) => JSON.stringify({ kind: 'start', input: text.repeat(2 * BLOB_BYTES) });
const committing = (seq: number, text: string) => ({
  op: 'commit',
  args: [commit(1, seq, { entry: entry(seq, { delivery: large(text) }) })],
});

/** The tables of a store, and the hosts that open it one after the other. */
function folder() {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const open = (): SqliteCore => new SqliteCore(db, KEYS, undefined, () => NOW);
  const count = () => (db.prepare('SELECT count(*) AS n FROM blobs').get() as { n: number }).n;
  const core = open();
  core.nextEra();
  core.admit(record(1), [], 1);
  return { core, open, count };
}

test('a host that crashes after it has stored a payload loses nothing: the next one names it, and stores it once', () => {
  const { core, open, count } = folder();
  core.prepared([committing(1, 'x')]);
  core.putPayloads();
  expect(count()).toBe(BLOBS);
  // It crashes here: the entry was never written.
  const next = open();
  expect(next.run(runId(1))).toMatchObject({ seq: 0 });
  expect(next.gcStep(NOW + GRACE_MS - 1, EVERYTHING)).toMatchObject({ blobs: 0, more: false });
  const [act] = next.prepared([committing(1, 'x')]);
  expect(next.needsPayloads).toBe(false);
  act?.();
  expect(next.journal(runId(1)).map(({ delivery }) => delivery)).toEqual([large('x')]);
  expect(count()).toBe(BLOBS);
  // It has a name now, however old it is.
  expect(next.gcStep(NOW + 9 * GRACE_MS, EVERYTHING)).toMatchObject({ blobs: 0 });
  expect(next.journal(runId(1)).map(({ delivery }) => delivery)).toEqual([large('x')]);
});

test('a collection between a payload and its entry deletes nothing; one after the grace has the write prepared again', () => {
  const { core } = folder();
  const [first] = core.prepared([committing(1, 'x')]);
  core.putPayloads();
  expect(core.gcStep(NOW, EVERYTHING)).toMatchObject({ blobs: 0 });
  first?.();
  const [second] = core.prepared([committing(2, 'y')]);
  core.putPayloads();
  expect(core.gcStep(NOW + GRACE_MS, EVERYTHING)).toMatchObject({ blobs: BLOBS });
  expect(second).toThrow(Stale);
  core.doubt();
  const [again] = core.prepared([committing(2, 'y')]);
  core.putPayloads();
  again?.();
  expect(core.journal(runId(1)).map(({ delivery }) => delivery)).toEqual([large('x'), large('y')]);
});

test('what was stored for a write that was refused is collected after the grace, and counted before', () => {
  const { core, count } = folder();
  core.commit(commit(1, 1));
  for (const text of ['x', 'y']) expect(() => core.commit(committing(7, text).args[0] as never)).toThrow('was refused');
  expect(count()).toBe(2 * BLOBS);
  expect(core.collectable(NOW + GRACE_MS - 1, EVERYTHING)).toMatchObject({ blobs: 0, bytes: 0 });
  const counted = core.collectable(NOW + GRACE_MS, EVERYTHING);
  expect(counted.blobs).toBe(2 * BLOBS);
  expect(core.collectable(NOW + GRACE_MS, { ...EVERYTHING, tenant: 'other' })).toMatchObject({ blobs: 0 });
  expect(core.gcStep(NOW + GRACE_MS, EVERYTHING)).toMatchObject({ blobs: 2 * BLOBS, bytes: counted.bytes, more: false });
  expect(count()).toBe(0);
});

test('a run that is admitted in the batch in which the last other one with its input is erased is prepared again, and has it', () => {
  const { core } = folder();
  const input = { text: 'y'.repeat(2 * BLOB_BYTES) };
  const admitting = { op: 'admit', args: [record(3, { input }), [], 1] };
  core.admit(record(2, { input }), [], 1);
  core.commit(commit(2, 1, { status: DONE }));
  const [erase, admit] = core.prepared([{ op: 'erase', args: [runId(2), NOW] }, admitting]);
  core.putPayloads();
  erase?.();
  expect(() => admit?.()).toThrow(Stale);
  const [again] = core.prepared([admitting]);
  core.putPayloads();
  again?.();
  expect(core.run(runId(3))?.record.input).toEqual(input);
});
