/** Writes that are prepared before their transaction: a batch at a time, as the writer of a store does it. */
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import type { KeyRing } from '@corral/protocol/ports/machine';
import type { Commit, Instance } from '@corral/protocol/ports/store';
import { ALL_OF_INBOX } from '@corral/protocol/ports/store';
import { ACTIVE, commit, entry, record, runId } from '../fixtures/commits.ts';
import { SqliteCore } from '../sqlite/core.ts';
import { migrate } from '../sqlite/schema.ts';
import { MasterKeys } from './keys.ts';
import { Stale } from './prepared.ts';
import { BLOB_BYTES } from './split.ts';

const MASTER = new MasterKeys(new Map([[1, new Uint8Array(32).fill(7)]]));

/** A ring that can be taken away, with each key that it ever handed out. */
class Withdrawn implements KeyRing {
  readonly #keys = new Map<Uint8Array, Uint8Array>();
  #away = false;

  take(): void {
    this.#away = true;
    for (const key of this.#keys.keys()) key.fill(0);
  }
  bring(): void {
    this.#away = false;
    for (const [key, bytes] of this.#keys) key.set(bytes);
  }
  wrap(tenant: string, key: Uint8Array, context: string): ReturnType<KeyRing['wrap']> {
    this.#note(key);
    return MASTER.wrap(tenant, key, context);
  }
  unwrap(...args: Parameters<KeyRing['unwrap']>): Uint8Array {
    return this.#note(MASTER.unwrap(...args));
  }
  derive(tenant: string, purpose: string): Uint8Array {
    return this.#note(Uint8Array.from(MASTER.derive(tenant, purpose)));
  }
  fingerprints(): ReadonlyMap<number, string> {
    return MASTER.fingerprints();
  }
  #note(key: Uint8Array): Uint8Array {
    if (this.#away) throw new Error('There is no key within a transaction.');
    this.#keys.set(key, Uint8Array.from(key));
    return key;
  }
}

interface Op {
  readonly op: string;
  readonly args: readonly unknown[];
}
const committed = (one: Commit): Op => ({ op: 'commit', args: [one] });

function store(ring: KeyRing = MASTER): { core: SqliteCore; db: DatabaseSync; write: (...batch: readonly Op[]) => unknown[] } {
  const db = new DatabaseSync(':memory:');
  migrate(db);
  const core = new SqliteCore(db, ring);
  core.nextEra();
  /** The answer to each operation of a batch: a value, the code of its refusal, or that it has to be prepared again. */
  const write = (...batch: readonly Op[]): unknown[] => {
    const acts = core.prepared(batch);
    if (ring instanceof Withdrawn) ring.take();
    core.putPayloads();
    db.exec('BEGIN');
    const said = acts.map((act) => {
      try {
        return act();
      } catch (error) {
        if (error instanceof Stale) return 'again';
        if (error instanceof CorralError) return error.code;
        throw error;
      }
    });
    db.exec('COMMIT');
    if (ring instanceof Withdrawn) ring.bring();
    return said;
  };
  return { core, db, write };
}

const to = (n: number, key: string, more: object = {}) => ({
  to: runId(n),
  key,
  delivery: { kind: 'message' as const, from: { run: runId(1), agent: 'a' as never }, body: key, depth: 1, ...more },
});
const instance = (n: number): Instance => ({ id: 'service/key', of: 'service', record: record(n, { service: { key: 'k' } }), grants: [] });
const LARGE = JSON.stringify({ kind: 'start', input: 'x'.repeat(2 * BLOB_BYTES) });
const DONE = {
  ...ACTIVE,
  lifecycle: 'ended' as const,
  waiting: 'nothing' as const,
  outcome: { kind: 'completed' as const, output: 'z'.repeat(2 * BLOB_BYTES) },
  ended_at: 99,
};

test('nothing needs a key within the transaction, and what is written there opens with the right ones', () => {
  const ring = new Withdrawn();
  const { core, db, write } = store(ring);
  for (const n of [1, 2, 3]) core.admit(record(n), [], 1);
  // The instance is made by one batch, ends with a state that it keeps, and is made again by the next one.
  write(committed(commit(1, 1, { outbox: [{ ...to(8, '1.0'), instance: instance(8) }] })));
  const node = core.join('a', 1);
  const { epoch } = core.claim(runId(8), node, 1) as { epoch: number };
  const checkpoint = { kind: 'checkpoint' as const, state: { paid: [1] }, ledger: {} };
  core.commit(commit(8, 1, { epoch, entry: entry(1, { event: checkpoint as never }) }));
  core.commit(commit(8, 2, { epoch, status: { ...DONE, outcome: { kind: 'completed', output: null } } }));
  core.commit(commit(2, 1, { outbox: [to(3, '1.0', { request: 4 })] }));
  // From here on keys come from the ring again.
  core.doubt();
  const said = write(
    { op: 'admit', args: [record(4, { input: 'y'.repeat(2 * BLOB_BYTES) }), [], 1] },
    committed(
      commit(1, 2, {
        entry: entry(2, { delivery: LARGE }),
        spawned: [record(5, { parent: { run: runId(1), id: 1, agent: 'a' as never } })],
        outbox: [
          to(2, '2.0'),
          to(4, '2.1'),
          to(5, '2.2'),
          { ...to(9, '2.3'), instance: instance(9) },
          { ...to(9, '2.4'), instance: instance(9) },
        ],
      }),
    ),
    committed(commit(1, 3, { outbox: [to(5, '3.0')] })),
    { op: 'keep', args: [runId(1), 1, [{ id: 7, value: 'kept' }]] },
    committed(commit(3, 1, { status: DONE })),
    { op: 'park', args: [runId(1), { epoch: 1, seq: 3, inbox: 0 }, undefined, 'a ledger'] },
    { op: 'bury', args: [runId(4), { kind: 'failed', code: 'CORRAL_JOURNAL_DAMAGED', message: 'm' }, 5] },
  );
  expect(said).toEqual([
    undefined,
    { delivered: [1, 1, 1, 1, 2], receivers: [2, 4, 5, 9, 9].map((n) => runId(n)), created: [runId(9)] },
    { delivered: [2] },
    undefined,
    { delivered: [], answered: [runId(2)] },
    true,
    [],
  ]);
  core.doubt();
  expect(core.run(runId(1))).toMatchObject({ seq: 3, ledger: 'a ledger', parked: true });
  expect(core.journal(runId(1)).map(({ delivery }) => delivery)).toEqual(['x', LARGE, 'x']);
  expect(core.inbox(runId(1), ALL_OF_INBOX)).toMatchObject([{ seq: -7, delivery: { results: [{ value: 'kept' }] } }]);
  expect(core.run(runId(3))?.status.outcome).toEqual(DONE.outcome);
  expect(core.inbox(runId(5)).map(({ delivery }) => delivery.kind === 'message' && delivery.body)).toEqual(['2.2', '3.0']);
  expect(core.run(runId(9))?.record.service).toEqual({ key: 'k', state: { paid: [1] } });
  expect(core.inbox(runId(9)).map(({ seq }) => seq)).toEqual([1, 2]);
  expect(core.verifyStep({ after: 0 }).damaged.filter(({ problem }) => problem !== 'bundle')).toEqual([]);
  db.close();
});

test('commits of one run follow each other within a batch, and what follows a refused one is refused or prepared again', () => {
  const { core, db, write } = store();
  core.admit(record(1), [], 1);
  const seqs = (...all: readonly number[]) => all.map((seq) => committed(commit(1, seq)));
  expect(write(...seqs(1, 2, 3))).toEqual([{ delivered: [] }, { delivered: [] }, { delivered: [] }]);
  // The first is refused for a grant, so is its successor.
  core.commit(
    commit(1, 4, {
      grants: [
        {
          id: 'grant_1' as never,
          parent: undefined,
          holder: runId(1),
          target: {} as never,
          where: {},
          uses: 1,
          expires_at: undefined,
          depth: 0,
        },
      ],
    }),
  );
  const uses = [{ grant: 'grant_1' as never, times: 2, bytes: 0, at: 1 }];
  expect(write(committed(commit(1, 5, { uses })), ...seqs(6))).toEqual(['CORRAL_SPENT_ELSEWHERE', 'CORRAL_EPOCH_STALE']);
  // One that comes too late is refused; the right one was chained to it, and is prepared again instead of breaking the chain.
  expect(write(...seqs(3, 5))).toEqual(['CORRAL_EPOCH_STALE', 'again']);
  expect(write(...seqs(5))).toEqual([{ delivered: [] }]);
  expect(write(committed(commit(1, 6, { epoch: 9 })), committed(commit(1, 6, { epoch: 0 })), ...seqs(6))).toEqual([
    'CORRAL_EPOCH_STALE',
    'CORRAL_EPOCH_STALE',
    { delivered: [] },
  ]);
  expect(core.journal(runId(1))).toHaveLength(6);
  db.close();
});

test('an instance that came or ended meanwhile, and a payload that was deleted, have the commit prepared again', () => {
  const { core, db, write } = store();
  for (const n of [1, 2, 3]) core.admit(record(n), [], 1);
  const send = (n: number, seq: number, next: number) =>
    committed(commit(n, seq, { outbox: [{ ...to(next, `${seq}.0`), instance: instance(next) }] }));
  expect(write(send(1, 1, 7), send(2, 1, 8))).toEqual([{ delivered: [1], receivers: [runId(7)], created: [runId(7)] }, 'again']);
  expect(core.run(runId(2))).toMatchObject({ seq: 0 });
  expect(write(send(2, 1, 8))).toEqual([{ delivered: [2], receivers: [runId(7)] }]);
  const node = core.join('a', 1);
  const { epoch } = core.claim(runId(7), node, 1) as { epoch: number };
  expect(write(committed(commit(7, 1, { epoch, status: DONE })), send(2, 2, 9))).toEqual([{ delivered: [] }, 'again']);
  expect(write(send(2, 2, 9))).toEqual([{ delivered: [1], receivers: [runId(9)], created: [runId(9)] }]);

  core.commit(commit(3, 1, { entry: entry(1, { delivery: LARGE }), status: DONE }));
  const large = committed(commit(1, 2, { entry: entry(2, { delivery: LARGE }) }));
  expect(write({ op: 'erase', args: [runId(3), 9] }, large)).toEqual([expect.objectContaining({ blobs: 3 }), 'again']);
  expect(write(large)).toEqual([{ delivered: [] }]);
  expect(core.journal(runId(1), 1).map(({ delivery }) => delivery)).toEqual([LARGE]);
  db.close();
});
