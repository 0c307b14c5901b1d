/** The promises of the store port about evidence: what is kept of runs, checked, forgotten, logged and copied. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Store } from '@corral/protocol/ports/store';
import { commit, DONE, entry, grant, grantId, message, record, runId } from '@corral/store/fixtures/commits';
import { temporary } from '../world.ts';
import { openerOf } from './opener.ts';
import { KINDS } from './stores.ts';

const TENANT = 't' as TenantId;

/** The damage that `verify` finds, apart from bundles that these tests did not deploy. */
const damage = async (store: Store) => (await store.verify()).damaged.filter(({ problem }) => problem !== 'bundle');

describe.each(KINDS)('a store of $name, as to evidence,', (kind) => {
  const open = async () => (await openerOf(kind))();

  test('gives large payloads back as they were, and keeps those that others still refer to when a run is erased', async () => {
    const opened = await openerOf(kind);
    const store = await opened();
    const delivery = JSON.stringify({ kind: 'start', input: `${'grüße '.repeat(2_000)}\u0000` });
    const output = 'z'.repeat(6_000);
    for (const n of [1, 2]) {
      await store.admit(record(n, { input: { text: 'y'.repeat(9_000) } }), [], 1);
      await store.commit(commit(n, 1, { entry: entry(1, { delivery }) }));
    }
    await store.commit(commit(1, 2, { status: { ...DONE, outcome: { kind: 'completed', output } } }));
    expect((await store.run(runId(1)))?.status.outcome).toEqual({ kind: 'completed', output });
    const erased = await store.erasable(runId(1));
    // The payloads of its entry and its record are shared with the other run; that of its outcome is its own.
    expect(erased).toMatchObject({ run: runId(1), entries: 2, blobs: 1 });
    await expect(store.erase(runId(2), 5)).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    await expect(store.erase(runId(9), 5)).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
    expect(await store.erase(runId(1), 5)).toEqual(erased);
    await expect(store.journal(runId(1))).rejects.toMatchObject({ code: 'CORRAL_RUN_ERASED' });
    expect([await store.ids({}), await store.ids({ ended: true }), await store.ids({ among: [runId(1), runId(2)] })]).toEqual([
      [runId(2)],
      [],
      [runId(2)],
    ]);
    const garbage = await store.collectable(6);
    expect(garbage).toMatchObject({ runs: 1, entries: 2 });
    expect(await store.gc(6)).toEqual(garbage);
    expect(await store.collectable(6)).toEqual({ runs: 0, entries: 0, blobs: 0, bytes: 0 });
    await store.close();
    const again = await opened();
    expect((await again.journal(runId(2))).map((one) => one.delivery)).toEqual([delivery]);
    expect((await again.run(runId(2)))?.record.input).toEqual({ text: 'y'.repeat(9_000) });
    expect(await again.hashes(runId(1), 1, 10)).toMatchObject([{ seq: 2 }]);
    expect(await damage(again)).toEqual([]);
    await again.close();
  });

  test('gives a run its input that is admitted while the last other one with that input is erased', async () => {
    const store = await open();
    const input = { text: 'y'.repeat(9_000) };
    await store.admit(record(1, { input }), [], 1);
    await store.commit(commit(1, 1, { status: DONE }));
    await Promise.all([store.erase(runId(1), 5), store.admit(record(2, { input }), [], 1)]);
    expect((await store.run(runId(2)))?.record.input).toEqual(input);
  });

  test('erases no run while one that goes on has grants of it, and leaves its own without predicates and revoked', async () => {
    const store = await open();
    await store.admit(record(1), [grant(1, 1)], 1);
    await store.commit(
      commit(1, 1, { spawned: [record(2, { parent: { run: runId(1), id: 1, agent: 'a' as never } })], grants: [grant(2, 2, 1)] }),
    );
    await store.commit(commit(1, 2, { status: DONE }));
    await expect(store.erase(runId(1), 5)).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    await expect(store.erasable(runId(1))).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    expect(await store.grants(runId(1))).toMatchObject([{ where: { path: { under: 'a' } }, revoked: false }]);
    await store.commit(commit(2, 1, { status: DONE }));
    await store.erase(runId(1), 5);
    expect((await store.grants(runId(1))).map(({ id, where, revoked }) => ({ id, where, revoked }))).toEqual([
      { id: grantId(1), where: {}, revoked: true },
    ]);
    await store.close();
  });

  test('deletes the journals of a tenant whose retention has passed, and of no other', async () => {
    const store = await open();
    await store.admit(record(1), [], 1);
    await store.admit(record(2, { tenant: 'other' as TenantId }), [], 1);
    for (const n of [1, 2]) await store.commit(commit(n, 1, { status: DONE }));
    const wanted = { retention_ms: { t: 10 } };
    expect(await store.gc(108, wanted)).toMatchObject({ runs: 0 });
    expect(await store.gc(109, wanted)).toMatchObject({ runs: 1, entries: 1 });
    await expect(store.journal(runId(1))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_PRUNED' });
    expect(await store.journal(runId(2))).toHaveLength(1);
    await store.close();
  });

  test('keeps what a run that goes on and the next run of an instance begin from, however old it is', async () => {
    const store = await open();
    const node = await store.join('a', 1);
    await store.admit(record(1), [], node);
    const wanted = { retention_ms: { t: 10 } };
    const instance = (n: number) => ({ id: 'keeper/k', of: 'keeper', record: record(n, { service: { key: 'k' } }), grants: [] });
    const checkpoint = (seq: number) => entry(seq, { event: { kind: 'checkpoint', state: { paid: seq }, ledger: {} } as never });
    await store.commit(commit(1, 1, { outbox: [{ ...message(8, '1.0'), instance: instance(8) }] }));
    await store.commit(commit(1, 2, { entry: checkpoint(2) }));
    await store.claim(runId(8), node, 1);
    await store.commit(commit(8, 1));
    await store.commit(commit(8, 2, { entry: checkpoint(2) }));
    await store.commit(commit(8, 3, { status: DONE }));
    const garbage = await store.collectable(109, wanted);
    expect(garbage).toMatchObject({ runs: 0, entries: 2 });
    expect(await store.gc(109, wanted)).toEqual(garbage);
    await expect(store.journal(runId(1))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_PRUNED' });
    expect((await store.journal(runId(1), 1)).map(({ seq }) => seq)).toEqual([2]);
    expect((await store.journal(runId(8), 1)).map(({ seq }) => seq)).toEqual([2, 3]);
    await store.commit(commit(1, 3, { outbox: [{ ...message(9, '3.0'), instance: instance(9) }] }));
    expect((await store.run(runId(9)))?.record.service).toMatchObject({ state: { paid: 2 } });
    // The instance has begun from it.
    expect(await store.gc(109, wanted)).toMatchObject({ runs: 1, entries: 2 });
    await store.close();
  });

  test('logs each admission, entry, revocation, quarantine, end and erasure', async () => {
    const store = await open();
    const put = { kind: 'agent', name: 't/a', tenant: TENANT, by: 'ana', reason: 'odd', at: 1 } as const;
    const acts: readonly (readonly [leaves: number, act: () => Promise<unknown>])[] = [
      [2, () => Promise.all([1, 2].map((n) => store.admit(record(n), n === 1 ? [grant(1, 1), grant(2, 1)] : [], 1)))],
      [1, () => store.commit(commit(1, 1))],
      [1, () => store.revoke(grantId(1), 'ana', 'odd', 5)],
      [1, () => store.putQuarantine(put)],
      [1, () => store.liftQuarantine('agent', 't/a', 'ana', 6, TENANT)],
      // With its entry, which ends the run.
      [3, () => store.commit(commit(1, 2, { status: DONE, revoked: [grantId(2)], quarantine: put }))],
      [1, () => store.bury(runId(2), { kind: 'killed', by: 'ana', reason: 'enough' }, 7)],
      [1, () => store.erase(runId(1), 8)],
    ];
    for (const [leaves, act] of acts) {
      const { size } = await store.logHead();
      await act();
      expect([act.toString(), (await store.logHead()).size]).toEqual([act.toString(), size + leaves]);
    }
    await store.close();
  });

  test('finds a payload that was changed on the disk, and gives nobody the entry that names it', async () => {
    const folder = join(await temporary(), 'data');
    const store = await kind.open(folder);
    for (const n of [1, 2]) await store.admit(record(n), [], 1);
    await store.commit(commit(1, 1));
    await store.commit(commit(1, 2, { entry: entry(2, { delivery: JSON.stringify({ input: 'x'.repeat(6_000) }) }) }));
    await store.commit(commit(2, 1));
    await store.close();
    await kind.spoil(folder);
    const again = await kind.open(folder);
    expect(await damage(again)).toMatchObject([{ run: runId(1), entry: 2, problem: 'payload' }]);
    await expect(again.journal(runId(1))).rejects.toMatchObject({ code: 'CORRAL_JOURNAL_DAMAGED' });
    expect(await again.journal(runId(2))).toHaveLength(1);
    await again.close();
  });

  test('has a log that grows with what is committed, and copies itself into an empty folder', async () => {
    const folder = join(await temporary(), 'data');
    const store = await kind.open(folder);
    const node = await store.join('a', 1);
    await store.admit(record(1), [], node);
    const before = await store.logHead();
    await store.commit(commit(1, 1));
    const after = await store.logHead();
    expect(after.size).toBeGreaterThan(before.size);
    expect(await damage(store)).toEqual([]);
    expect(await store.verify(runId(1), undefined, before)).toMatchObject({ runs: 1, entries: 1, log: { count: 0 } });
    expect((await store.verify(undefined, undefined, { ...before, hash: after.hash })).log.count).toBeGreaterThan(0);
    const beside = join(await temporary(), 'copy');
    await store.backup(beside, 5);
    await expect(store.backup(beside, 6)).rejects.toMatchObject({ code: 'CORRAL_FOLDER_NOT_EMPTY' });
    const committed = await store.hashes(runId(1), 0, 9);
    expect(committed).toHaveLength(1);
    await store.close();
    // The keys are kept apart from what they open.
    await copyFile(join(folder, 'keys.json'), join(beside, 'keys.json'));
    const copy = await kind.open(beside);
    expect(await copy.hashes(runId(1), 0, 9)).toEqual(committed);
    expect(await damage(copy)).toEqual([]);
    await copy.close();
  });

  test('keeps what conversations have in common once, and for as long as one of them is there', async () => {
    const opened = await openerOf(kind);
    const store = await opened();
    const message = (i: number) => ({ role: 'user', content: `${i} ${Math.sqrt(i)} `.repeat(30) });
    const says = (count: number) =>
      JSON.stringify([{ kind: 'call', input: { prompt: Array.from({ length: count }, (_, i) => message(i)) } }]);
    for (const n of [1, 2]) {
      await store.admit(record(n), [], 1);
      for (let seq = 1; seq <= 20; seq++) await store.commit(commit(n, seq, { entry: entry(seq, { effects: says(200 * n + seq) }) }));
    }
    await store.commit(commit(1, 21, { status: DONE }));
    // All that the first one said, the second one said too; only where a payload of it ended its last part is its own.
    const erased = await store.erasable(runId(1));
    expect(erased.blobs).toBeGreaterThan(20);
    expect(erased.bytes).toBeLessThan(2 * says(200).length);
    expect(await store.erase(runId(1), 5)).toEqual(erased);
    await expect(store.journal(runId(1))).rejects.toMatchObject({ code: 'CORRAL_RUN_ERASED' });
    expect((await store.journal(runId(2))).map((one) => one.effects)).toEqual(Array.from({ length: 20 }, (_, i) => says(401 + i)));
    expect(await damage(store)).toEqual([]);
    await store.commit(commit(2, 21, { status: DONE }));
    await store.erase(runId(2), 6);
    await store.gc(7);
    expect(await store.collectable(7 + 2 * MACHINE.payload_grace_ms.default)).toMatchObject({ blobs: 0, bytes: 0 });
    await store.close();
  });

  test('counts only what it kept for longer than the grace of payloads as garbage', async () => {
    const store = await open();
    await store.admit(record(1), [], 1);
    const large = entry(7, { delivery: JSON.stringify({ input: 'x'.repeat(6_000) }) });
    await expect(store.commit(commit(1, 7, { entry: large }))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    const unnamed = entry(7, { delivery: JSON.stringify({ input: 'y'.repeat(6_000) }) });
    await expect(store.commit(commit(1, 7, { entry: unnamed }))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    expect(await store.gc(Date.now())).toMatchObject({ blobs: 0 });
    await store.commit(commit(1, 1, { entry: { ...large, seq: 1 } }));
    // No entry names the other one.
    expect(await store.gc(Date.now() + 2 * MACHINE.payload_grace_ms.default)).toMatchObject({ blobs: 1 });
    expect(await store.gc(Date.now() + 2 * MACHINE.payload_grace_ms.default)).toMatchObject({ blobs: 0 });
    expect((await store.journal(runId(1))).map((one) => one.delivery)).toEqual([large.delivery]);
    await store.close();
  });
});
