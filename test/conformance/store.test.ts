/** The suite for stores, whatever they are made of. A new one is added to the table in stores.ts. */
import { describe, expect, test } from 'vitest';
import { errorData } from '@corral/protocol/errors';
import type { Digest } from '@corral/protocol/ids';
import type { AgentVersion } from '@corral/protocol/model/manifest';
import type { Entry, RunRecord } from '@corral/protocol/model/run';
import { ALL_OF_INBOX, type Commit } from '@corral/protocol/ports/store';
import * as plain from '@corral/store/fixtures/commits';
import { openerOf } from './opener.ts';
import { KINDS } from './stores.ts';

const BUNDLE = `sha256:${'b'.repeat(64)}` as Digest;
const VERSION = `sha256:${'c'.repeat(64)}` as Digest;
const version: AgentVersion = {
  version: VERSION,
  bundle: BUNDLE,
  manifest: {
    name: 'a' as never,
    purpose: '',
    image: 'base',
    uses: {},
    spawns: [],
    input: null,
    output: null,
    ceilings: {},
    budget: {},
    on_unknown: 'wait',
  },
};
const { ACTIVE, DONE: ENDED, grant, grantId, message: to, runId } = plain;
const record = (n: number, parent?: number): RunRecord =>
  plain.record(n, {
    version: VERSION,
    bundle: BUNDLE,
    parent: parent === undefined ? undefined : { run: runId(parent), id: 1, agent: 'a' as never },
    input: { n, text: 'grüße\u0000' },
  });
const entry = (seq: number): Entry => plain.entry(seq, { delivery: `{"seq":${seq},"ü":"€"}`, decisions: [{ id: seq, verdict: 'allow' }] });
const commit = (n: number, seq: number, more: Partial<Commit> = {}): Commit => plain.commit(n, seq, { entry: entry(seq), ...more });

describe.each(KINDS)('a store of $name', (kind) => {
  const opener = () => openerOf(kind);

  test('keeps bundles and versions, however often they come', async () => {
    const store = await (await opener())();
    for (let i = 0; i < 2; i++) await store.deploy({ digest: BUNDLE, source: 'code', source_map: undefined }, [version]);
    expect(await store.bundle(BUNDLE)).toBe('code');
    expect(await store.version(VERSION)).toEqual(version);
    expect(await store.agents(BUNDLE)).toEqual([version]);
    expect(await store.version(BUNDLE)).toBeUndefined();
    await store.close();
  });

  test('keeps what it said it has, over a restart', async () => {
    const open = await opener();
    const store = await open();
    await store.admit(record(1), [grant(1, 1)], 1);
    await store.commit(
      commit(1, 1, { grants: [grant(2, 1, 1)], uses: [{ grant: grantId(1), times: 2, bytes: 3, at: 5 }], timers: [{ id: 4, due: 5 }] }),
    );
    await store.commit(
      commit(1, 2, {
        entry: {
          ...entry(2),
          delivery: undefined,
          effects: undefined,
          event: { kind: 'control', control: 'paused', by: 'ana', reason: 'r' },
        },
        status: { ...ACTIVE, control: 'paused' },
      }),
    );
    const { era } = store;
    await store.close();

    const again = await open();
    expect(again.era).toBe(era + 1);
    expect(await again.run(runId(1))).toEqual({
      record: JSON.parse(JSON.stringify(record(1))) as RunRecord,
      status: { ...ACTIVE, control: 'paused' },
      epoch: 1,
      seq: 2,
      restored: false,
      checkpoint: 0,
      inbox: 0,
      parked: false,
      still: false,
      version: record(1).version,
    });
    expect(await again.journal(runId(1))).toEqual([
      entry(1),
      { ...entry(2), delivery: undefined, effects: undefined, event: { kind: 'control', control: 'paused', by: 'ana', reason: 'r' } },
    ]);
    expect(await again.journal(runId(1), 1)).toHaveLength(1);
    expect((await again.grants(runId(1))).map(({ id, used, revoked }) => [id, used, revoked])).toEqual([
      [grantId(1), 2, false],
      [grantId(2), 0, false],
    ]);
    expect(await again.runs({ ended: false })).toHaveLength(1);
    await again.close();
  });

  test('takes entries of a run in order, without gaps, from its owner alone', async () => {
    const store = await (await opener())();
    await store.admit(record(1), [], 1);
    await store.commit(commit(1, 1));
    await expect(store.commit(commit(1, 1))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    await expect(store.commit(commit(1, 3))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    const node = await store.join('a', 1);
    expect(await store.claim(runId(1), node, 1)).toMatchObject({ epoch: 2, seq: 1 });
    await expect(store.commit(commit(1, 2))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    await store.commit(commit(1, 2, { epoch: 2 }));
    await expect(store.commit(commit(9, 1))).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
    expect((await store.journal(runId(1))).map((one) => one.seq)).toEqual([1, 2]);
    await store.close();
  });

  test('leaves nothing of a commit that it refuses, and refuses none of its neighbours for it', async () => {
    const store = await (await opener())();
    await store.admit(record(1), [], 1);
    await store.admit(record(2), [], 1);
    const results = await Promise.allSettled([
      store.commit(commit(1, 1)),
      // The second child has the id of a run that is there already, so everything else of this commit must vanish with it.
      store.commit(
        commit(1, 2, { spawned: [record(3, 1), record(2, 1)], grants: [grant(5, 1)], timers: [{ id: 1, due: 1 }], outbox: [to(2, 'x')] }),
      ),
      store.commit(commit(2, 1)),
    ]);
    expect(results.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await store.run(runId(3))).toBeUndefined();
    expect(await store.grants(runId(1))).toEqual([]);
    expect(await store.inbox(runId(2))).toEqual([]);
    expect(await store.run(runId(1))).toMatchObject({ seq: 1 });
    await store.close();
  });

  test('puts what a commit sends into the inboxes of those it is for, and says where nobody is left', async () => {
    const store = await (await opener())();
    for (const n of [1, 2, 3]) await store.admit(record(n), [], 1);
    await store.commit(commit(3, 1, { status: ENDED }));
    expect(await store.commit(commit(1, 1, { outbox: [to(2, 'a'), to(3, 'b'), to(2, 'c')] }))).toEqual({ delivered: [1, 0, 2] });
    expect((await store.inbox(runId(2))).map(({ seq, delivery }) => [seq, delivery.kind === 'message' && delivery.body])).toEqual([
      [1, 'a'],
      [2, 'c'],
    ]);
    await store.commit(commit(2, 1, { consumed: 1 }));
    expect((await store.inbox(runId(2))).map((item) => item.seq)).toEqual([2]);
    await store.close();
  });

  test('answers a request once, by its receiver or by the end of it, and tells a sender whose message reached nobody', async () => {
    const store = await (await opener())();
    for (const n of [1, 2, 3, 4]) await store.admit(record(n), [], 1);
    const asks = (n: number, key: string, request: number) => ({ ...to(n, key), delivery: { ...to(n, key).delivery, request } });
    const reply = (id: number, value: unknown) => ({
      to: runId(1),
      key: `r.${id}`,
      delivery: { kind: 'reply' as const, results: [{ id, value: value as never }] },
    });
    await store.commit(commit(3, 1, { status: ENDED }));
    const error = (call: number, message: string) => ({
      id: call,
      error: errorData('CORRAL_RECIPIENT_ENDED', message, { call }),
    });
    const sent = await store.commit(
      commit(1, 1, { outbox: [asks(2, '1.0', 5), asks(2, '1.1', 6), asks(2, '1.2', 7), asks(3, '1.3', 8), { ...to(3, '1.4'), sent: 9 }] }),
    );
    const untold = error(9, 'The run this message was for has ended.');
    expect(sent).toEqual({ delivered: [1, 2, 3, 0, 0], answered: [runId(1)], unreached: [untold] });
    // Only the receiver answers.
    expect(await store.commit(commit(4, 1, { outbox: [reply(5, 'forged')] }))).toEqual({ delivered: [0] });
    // The second reply to a request is dropped, and so is one to a request that was never made.
    const replied = await store.commit(commit(2, 1, { consumed: 1, outbox: [reply(5, 'yes'), reply(5, 'no'), reply(99, 'what')] }));
    expect(replied).toEqual({ delivered: [2, 0, 0] });
    const label = {
      influenced_by: ['mail'],
      private_to: [],
      sticky: { untrusted_input: true, private_data: false, outside_effect: false },
    };
    const outcome = { kind: 'exceeded' as const, limit: 'cpu' as const };
    const end = await store.commit(commit(2, 2, { consumed: 2, label, status: { ...ENDED, outcome: outcome as never } }));
    expect(end).toEqual({ delivered: [], answered: [runId(1), runId(1)] });
    const inbox = await store.inbox(runId(1), ALL_OF_INBOX);
    expect(inbox.map(({ seq, delivery }) => [seq, delivery])).toEqual([
      [-9, { kind: 'reply', results: [untold] }],
      [1, { kind: 'reply', results: [error(8, 'The run this request was for has ended.')] }],
      [2, { kind: 'reply', results: [{ id: 5, value: 'yes' }] }],
      [
        3,
        {
          kind: 'reply',
          results: [error(6, 'The run ended before it replied (exceeded(cpu)); its effects for the request are not undone.')],
          label,
        },
      ],
      [
        4,
        {
          kind: 'reply',
          results: [error(7, 'The run ended before it did anything about the request (exceeded(cpu)).')],
          label,
        },
      ],
    ]);
    await store.close();
  });

  test('counts uses of a grant for all who share it, and refuses a commit that wants more than are left, as a whole', async () => {
    const store = await (await opener())();
    const [a, b] = [await store.join('a', 1), await store.join('b', 1)];
    await store.admit(record(1), [{ ...grant(1, 1), uses: 1, bytes: 10 }], a);
    await store.admit(record(2), [grant(2, 2, 1)], b);
    const use = (id: number, bytes = 0) => ({ grant: grantId(id), times: 1, bytes, at: 7 });
    // Two nodes have each seen it unused.
    const both = await Promise.allSettled([
      store.commit(commit(1, 1, { uses: [use(1, 4)], outbox: [to(2, 'x')] })),
      store.commit(commit(2, 1, { uses: [use(1, 4), use(2)], outbox: [to(1, 'y')] })),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(both[0]).toMatchObject({ value: { counted: [{ id: grantId(1), used: 1, sent_bytes: 4, revoked: false }] } });
    const refusal = { code: 'CORRAL_SPENT_ELSEWHERE', message: expect.stringContaining(grantId(1)) as string };
    expect(both[1]).toMatchObject({ reason: refusal });
    expect(await store.run(runId(2))).toMatchObject({ seq: 0 });
    expect(await store.inbox(runId(1))).toEqual([]);
    expect((await store.grants(runId(2))).map(({ id, used }) => [id, used])).toEqual(
      expect.arrayContaining([
        [grantId(1), 1],
        [grantId(2), 0],
      ]),
    );
    // A commit that uses nothing of it is taken.
    await store.commit(commit(2, 1, { uses: [use(2)] }));
    await store.close();
  });

  test('counts bytes and the time after which a rate has rested as uses add up, and keeps a grant that a commit revokes revoked', async () => {
    const store = await (await opener())();
    await store.admit(record(1), [{ ...grant(1, 1), uses: undefined, bytes: 10, rate: { per_minute: 60 } }], 1);
    const use = (bytes: number, at: number) => [{ grant: grantId(1), times: 2, bytes, at }];
    await store.commit(commit(1, 1, { uses: use(6, 1_000) }));
    const { counted } = await store.commit(commit(1, 2, { uses: use(4, 1_500) }));
    expect(counted).toEqual([{ id: grantId(1), used: 4, revoked: false, sent_bytes: 10, rested_at: 5_000 }]);
    await expect(store.commit(commit(1, 3, { uses: use(1, 2_000) }))).rejects.toMatchObject({ code: 'CORRAL_SPENT_ELSEWHERE' });
    await store.commit(commit(1, 3, { revoked: [grantId(1)] }));
    expect(await store.grants(runId(1))).toMatchObject([{ id: grantId(1), used: 4, revoked: true }]);
    await store.close();
  });

  test('takes no commit that reserves more of an account than a limit allows, whoever has spent the rest; what was spent is always taken', async () => {
    const store = await (await opener())();
    const [a, b] = [await store.join('a', 1), await store.join('b', 1)];
    await store.admit(record(1), [], a);
    await store.admit(record(2), [], b);
    const holder = { tenant: 't', kind: 'agent', name: 'a' } as const;
    const other = { ...holder, kind: 'tenant', name: 't' } as const;
    const calls = (n: number) => ({ money_micros: 0, tokens: 0, calls: n });
    const limit = (most: number, which = '2026-11-28') => ({ holder, which, name: 'calls' as const, most });
    const spend = (reserved: number, spent: number, ...limits: ReturnType<typeof limit>[]) => ({
      holders: [other, holder],
      days: [{ day: '2026-11-28', spent: calls(spent), reserved: calls(reserved), tools: [] }],
      ...(limits.length === 0 ? {} : { limits }),
    });
    // Two nodes have each seen that two are left.
    await store.commit(commit(1, 1, { spend: spend(1, 0) }));
    const both = await Promise.allSettled([
      store.commit(commit(1, 2, { spend: spend(2, 0, limit(3)) })),
      store.commit(commit(2, 1, { spend: spend(2, 0, limit(3)), outbox: [to(1, 'x')] })),
    ]);
    expect(both).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'CORRAL_SPENT_ELSEWHERE' } }]);
    expect(await store.run(runId(2))).toMatchObject({ seq: 0 });
    expect(await store.inbox(runId(1))).toEqual([]);
    // A month has what its days have.
    const earlier = { ...spend(1, 0, limit(3, '2026-11')), days: [{ day: '2026-11-02', spent: calls(0), reserved: calls(1), tools: [] }] };
    await expect(store.commit(commit(2, 1, { spend: earlier }))).rejects.toMatchObject({ code: 'CORRAL_SPENT_ELSEWHERE' });
    await store.commit(commit(2, 1, { spend: { ...earlier, limits: [limit(3)] } }));
    // A tool has charged more than was reserved, which nobody can refuse; and what is given back can be reserved again.
    await store.commit(commit(1, 3, { spend: spend(-3, 4) }));
    await expect(store.commit(commit(2, 2, { spend: spend(0, 0, limit(3)) }))).rejects.toMatchObject({ code: 'CORRAL_SPENT_ELSEWHERE' });
    await store.commit(commit(2, 2, { spend: spend(1, -2, limit(3)) }));
    expect((await store.spend({ from: '2026-11-28' })).map(({ kind, spent, reserved }) => [kind, spent.calls, reserved.calls])).toEqual([
      ['tenant', 2, 1],
      ['agent', 2, 1],
    ]);
    await store.close();
  });

  test('writes a commit that may wait with what comes next, before anything later of its run, and at the latest when it is closed', async () => {
    const open = await opener();
    const store = await open();
    await store.admit(record(1), [], 1);
    const patient = { flush: 'with-next' as const };
    // By itself, after a while.
    await store.commit(commit(1, 1, patient));
    const order: number[] = [];
    const noted = (seq: number, more: Partial<Commit>) => store.commit(commit(1, seq, more)).then(() => order.push(seq));
    await Promise.all([noted(2, patient), noted(3, patient), noted(4, {})]);
    expect(order).toEqual([2, 3, 4]);
    // More than wait at a time.
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.commit(commit(1, 5 + i, patient))));
    const last = store.commit(commit(1, 105, patient));
    await store.close();
    await last;
    const again = await open();
    expect((await again.journal(runId(1))).map(({ seq }) => seq)).toEqual(Array.from({ length: 105 }, (_, i) => i + 1));
    await again.close();
  });

  test('takes no commit of a node that counts as dead, though nobody has taken the run from it yet', async () => {
    const store = await (await opener())();
    const a = await store.join('a', 1);
    await store.admit(record(1), [], a);
    await store.admit(record(2), [], a);
    await store.commit(commit(1, 1));
    await store.join('a', 2);
    await expect(store.commit(commit(1, 2, { outbox: [to(2, 'x')] }))).rejects.toMatchObject({ code: 'CORRAL_LEASE_LOST' });
    await store.keep(runId(1), 1, [{ id: 3, value: 1 }]);
    expect(await store.run(runId(1))).toMatchObject({ epoch: 1, seq: 1 });
    expect(await store.inbox(runId(1), ALL_OF_INBOX)).toEqual([]);
    expect(await store.inbox(runId(2))).toEqual([]);
    await store.close();
  });

  test('admits children with the commit that spawns them', async () => {
    const store = await (await opener())();
    await store.admit(record(1), [], 1);
    await store.commit(commit(1, 1, { spawned: [record(2, 1)], grants: [grant(7, 2)] }));
    expect(await store.runs({ parent: runId(1) })).toMatchObject([{ record: { id: runId(2) }, epoch: 1, seq: 0 }]);
    expect(await store.grants(runId(2))).toMatchObject([{ id: grantId(7) }]);
    await store.close();
  });

  test('forgets the inbox and timers of a run that has ended, and takes nothing more for it', async () => {
    const store = await (await opener())();
    await store.admit(record(1), [], 1);
    await store.admit(record(2), [], 1);
    await store.commit(commit(1, 1, { outbox: [to(2, 'a')] }));
    await store.commit(commit(2, 1, { status: ENDED }));
    expect(await store.inbox(runId(2))).toEqual([]);
    await expect(store.commit(commit(2, 2))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    expect(await store.runs({ ended: true })).toMatchObject([{ status: ENDED }]);
    await store.close();
  });

  test('refuses writes and reads once it is closed', async () => {
    const store = await (await opener())();
    await store.close();
    for (const late of [() => store.admit(record(1), [], 1), () => store.run(runId(1))])
      await expect(late()).rejects.toMatchObject({ code: 'CORRAL_STOPPING' });
  });
});
