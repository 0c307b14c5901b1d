/** Rules for nodes that share a store, which every store keeps: who holds a run, who may take it, and how the runs of a lost node go on. */
import { describe, expect, test } from 'vitest';
import type { RunId, TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { Store, StoredRun } from '@corral/protocol/ports/store';
import { commit, entry, grant, grantId, message, record, runId } from '@corral/store/fixtures/commits';
import { until } from '../until.ts';
import { openerOf } from './opener.ts';
import { KINDS } from './stores.ts';

const ROOM = { runs: 100 };
const ids = (runs: readonly StoredRun[]): RunId[] => runs.map((run) => run.record.id);

/** A node whose lease has run out by the time this resolves: it said nothing, and nobody has taken anything from it yet. */
async function silent(store: Store, name: string, run: number): Promise<number> {
  const node = await store.join(name, 1, 1);
  await store.admit(record(run), [], node);
  // A lost node's runs are what there is to do.
  await until(async () => (await store.wakeable(0, 10)).includes(runId(run)));
  return node;
}

describe.each(KINDS)('a store of $name, for nodes,', (kind) => {
  const opener = () => openerOf(kind);

  test('lists those at work first, with their leases and the runs they hold, and those that are gone', async () => {
    const open = await opener();
    const store = await open();
    const gone = await silent(store, 'a', 1);
    const alive = await store.join('b', Date.now(), 60_000);
    await store.admit(record(2), [], alive);
    const items = await store.nodes(10);
    expect(items.map(({ node, name, alive: lives, runs }) => [node, name, lives, runs])).toEqual([
      [alive, 'b', true, 1],
      [gone, 'a', false, 1],
    ]);
    expect(items[0]?.lease_until).toBeGreaterThan(Date.now());
    expect(items[1]?.lease_until).toBeNull();
    expect(await store.nodes(1)).toHaveLength(1);
    await store.close();
  });

  test('gives each that joins a number that no other has or had', async () => {
    const open = await opener();
    const store = await open();
    const numbers = [await store.join('a', 1), await store.join('b', 1), await store.join('a', 1)];
    await store.close();
    const again = await open();
    numbers.push(await again.join('a', 1));
    expect(new Set(numbers).size).toBe(4);
    expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
    await again.close();
  });

  test('leaves a run with the node that holds it while that lives', async () => {
    const store = await (await opener())();
    const [a, b] = [await store.join('a', 1), await store.join('b', 1)];
    await store.admit(record(1), [], a);
    expect(await store.claim(runId(1), b, 1)).toEqual({ holder: a, name: 'a' });
    expect(await store.take(b, ROOM, 1)).toEqual({ runs: [], unreadable: [] });
    expect(await store.resident(undefined, 10)).toEqual([]);
    await store.commit(commit(1, 1));
    expect(await store.run(runId(1))).toMatchObject({ epoch: 1, seq: 1 });
    await store.close();
  });

  test('gives it to another that wants it on purpose, and holds that against nobody', async () => {
    const store = await (await opener())();
    const [a, b] = [await store.join('a', 1), await store.join('b', 1)];
    await store.admit(record(1), [], a);
    expect(await store.claim(runId(1), b, 1, 'fence')).toMatchObject({ epoch: 2, attempts: 0, taken_from: { holder: a, name: 'a' } });
    expect([await store.holding(a), await store.holding(b)]).toEqual([[], [runId(1)]]);
    await expect(store.commit(commit(1, 1))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    await store.commit(commit(1, 1, { epoch: 2 }));
    expect(await store.claim(runId(1), a, 1)).toEqual({ holder: b, name: 'b' });
    await store.close();
  });

  test('gives its own run to a node that asks for it again, under a new epoch', async () => {
    const store = await (await opener())();
    const a = await store.join('a', 1);
    await store.admit(record(1), [], a);
    expect(await store.claim(runId(1), a, 1)).toMatchObject({ epoch: 2, attempts: 0 });
    await store.close();
  });

  test('gives the runs of a node that went silent to another one, and counts its death', async () => {
    const store = await (await opener())();
    const b = await store.join('b', 1);
    await silent(store, 'a', 1);
    expect(await store.resident(undefined, 10)).toEqual([runId(1)]);
    expect(await store.claim(runId(1), b, 1)).toMatchObject({ epoch: 2, attempts: 1 });
    await silent(store, 'c', 2);
    expect((await store.take(b, ROOM, 1)).runs).toMatchObject([{ record: { id: runId(2) }, epoch: 2, attempts: 1 }]);
    // It got further: nobody died of it.
    await store.commit(commit(2, 1, { epoch: 2 }));
    expect(await store.claim(runId(2), await store.join('d', 1), 1, 'fence')).toMatchObject({ epoch: 3, attempts: 0 });
    // It was given up in order.
    expect(await store.park(runId(1), { epoch: 2, seq: 0, inbox: 0 }, undefined)).toBe(true);
    expect(await store.claim(runId(1), b, 1)).toMatchObject({ epoch: 3, attempts: 0 });
    await store.close();
  });

  test('knows how long a run was without a living node: from the last sign of life of the one that died to the claim', async () => {
    const store = await (await opener())();
    const [a, b] = [await store.join('a', 100), await store.join('b', 100)];
    for (const n of [1, 2, 3]) await store.admit(record(n), [], a);
    // Parked, handed over, and held by a node that lives.
    await store.park(runId(2), { epoch: 1, seq: 0, inbox: 0 }, undefined);
    expect((await store.claim(runId(2), b, 150)) as StoredRun).not.toHaveProperty('away');
    expect((await store.claim(runId(3), b, 150, 'fence')) as StoredRun).not.toHaveProperty('away');
    await store.beat(a, 180);
    // Its death: another of its name has come.
    await store.join('a', 400);
    expect(await store.claim(runId(1), b, 450)).toMatchObject({ away: [{ from: 180, until: 450 }] });
    await store.leave(b, 440);
    const c = await store.join('c', 445);
    const times = [
      { from: 180, until: 450 },
      { from: 450, until: 600 },
    ];
    // A clock that stands back makes no time twice.
    expect((await store.take(c, ROOM, 600)).runs.find(({ record: { id } }) => id === runId(1))).toMatchObject({ away: times });
    expect(await store.run(runId(1))).toMatchObject({ away: times });
    await store.close();
  });

  test('keeps a node dead whose death was seen, and lets one live on that was merely late', async () => {
    const store = await (await opener())();
    const late = await silent(store, 'late', 1);
    expect((await store.take(late, ROOM, 2)).runs).toEqual([]);
    expect(await store.beat(late, 2)).toBe(true);
    const lost = await silent(store, 'lost', 2);
    const b = await store.join('b', 1);
    await store.claim(runId(2), b, 1);
    expect(await store.beat(lost, 3)).toBe(false);
    await expect(store.claim(runId(2), lost, 1)).rejects.toMatchObject({ code: 'CORRAL_LEASE_LOST' });
    await expect(store.take(lost, ROOM, 3)).rejects.toMatchObject({ code: 'CORRAL_LEASE_LOST' });
    expect(await store.beat(b, 3)).toBe(true);
    await store.close();
  });

  test('lets a node live for as long as it beats', async () => {
    const store = await (await opener())();
    let [run, lease_ms] = [0, 10];
    /** Two nodes join with the same lease, and the earlier one beats until the later one, which says nothing, is lost. */
    const outlives = async () => {
      lease_ms *= 2;
      const [beating, lost] = [runId(++run), runId(++run)];
      const node = await store.join('beating', 1, lease_ms);
      await store.admit(record(run - 1), [], node);
      await store.admit(record(run), [], await store.join('silent', 1, lease_ms));
      let [lives, dead] = [true, [] as readonly RunId[]];
      await until(async () => {
        lives = await store.beat(node, 2);
        dead = await store.resident(undefined, 100);
        return !lives || dead.includes(lost);
      });
      return lives && !dead.includes(beating);
    };
    // If this machine stands still for longer than the lease, no beat comes in time; the next lease is longer.
    while (!(await outlives())) expect(lease_ms).toBeLessThan(10_000);
    await store.close();
  });

  test('takes what joins under the name of another for that one come back', async () => {
    const open = await opener();
    const store = await open();
    const a = await store.join('a', 1);
    await store.admit(record(1), [], a);
    const again = await store.join('a', 2);
    expect(await store.beat(a, 3)).toBe(false);
    expect(await store.claim(runId(1), again, 1)).toMatchObject({ epoch: 2, attempts: 1 });
    await store.close();
  });

  test('clears the attempts of its own runs when one leaves, and of nobody else’s', async () => {
    const store = await (await opener())();
    const [a, b] = [await store.join('a', 1), await store.join('b', 1)];
    await silent(store, 'c', 1);
    await silent(store, 'd', 2);
    expect(await store.claim(runId(1), a, 1)).toMatchObject({ attempts: 1 });
    expect(await store.claim(runId(2), b, 1)).toMatchObject({ attempts: 1 });
    await store.leave(a, 9);
    expect(await store.beat(a, 10)).toBe(false);
    const e = await store.join('e', 1);
    expect(await store.claim(runId(1), e, 1)).toMatchObject({ attempts: 1 });
    expect(await store.claim(runId(2), e, 1, 'fence')).toMatchObject({ attempts: 1 });
    await store.close();
  });

  test('gives each run that has something to do to one of those who take at once', async () => {
    const store = await (await opener())();
    const [a, b] = [await store.join('a', 1), await store.join('b', 1)];
    await store.admit(record(1), [], a);
    for (let n = 2; n <= 9; n++) await store.admit(record(n), [], undefined);
    // Nobody has held them, and they wait for nothing.
    expect(await store.run(runId(2))).toMatchObject({ epoch: 0, parked: true, status: { lifecycle: 'queued' } });
    expect(await store.parkedOn('nothing')).toEqual([2, 3, 4, 5, 6, 7, 8, 9].map((n) => runId(n)));
    await store.admit(record(10), [], a);
    await store.commit(commit(10, 1));
    await store.park(runId(10), { epoch: 1, seq: 1, inbox: 0 }, undefined);
    await store.admit(record(11), [], a);
    await store.commit(commit(11, 1, { timers: [{ id: 1, due: 50 }] }));
    await store.park(runId(11), { epoch: 1, seq: 1, inbox: 0 }, undefined);
    await store.commit(commit(1, 1, { outbox: [message(10, 'x')] }));
    const taken = await Promise.all([store.take(a, { runs: 5 }, 50), store.take(b, { runs: 5 }, 50)]);
    const all = taken.flatMap(({ runs }) => ids(runs));
    expect(taken.map(({ runs }) => runs.length)).toEqual([5, 5]);
    expect(new Set(all).size).toBe(10);
    // Runs that have begun come first.
    expect(ids(taken[0].runs).slice(0, 2)).toEqual([runId(10), runId(11)]);
    for (const [i, node] of [a, b].entries())
      for (const run of ids(taken[i]?.runs ?? []))
        expect(await store.claim(run, node, 50)).toMatchObject({ status: { lifecycle: 'active' } });
    expect((await store.take(a, ROOM, 50)).runs).toEqual([]);
    await store.close();
  });

  test('parks a run only as its owner has seen it: under its epoch, with its last entry and the last item of its inbox', async () => {
    const store = await (await opener())();
    const a = await store.join('a', 1);
    await store.admit(record(1), [], a);
    const seen = { epoch: 1, seq: 0, inbox: 0 };
    await store.commit(commit(1, 1, { outbox: [message(1, 'x')] }));
    for (const other of [seen, { ...seen, seq: 1 }, { ...seen, inbox: 1 }, { epoch: 0, seq: 1, inbox: 1 }])
      expect(await store.park(runId(1), other, undefined, 'old')).toBe(false);
    expect(await store.run(runId(1))).toMatchObject({ parked: false });
    expect(await store.park(runId(1), { epoch: 1, seq: 1, inbox: 1 }, undefined, 'ledger', true)).toBe(true);
    expect(await store.run(runId(1))).toMatchObject({ parked: true, still: true, ledger: 'ledger' });
    await expect(store.commit(commit(1, 2))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    await store.close();
  });

  test('lists the runs of a node that have mail, with the number of the last item, and nobody else’s', async () => {
    const store = await (await opener())();
    const [a, b] = [await store.join('a', 1), await store.join('b', 1)];
    for (const [n, node] of [a, b, a].entries()) await store.admit(record(n + 1), [], node);
    await store.commit(commit(2, 1, { outbox: [message(1, 'x'), message(1, 'y'), message(2, 'z')] }));
    expect(await store.mail(a)).toEqual([{ run: runId(1), last: 2 }]);
    await store.commit(commit(1, 1, { consumed: 1 }));
    expect(await store.mail(a)).toEqual([{ run: runId(1), last: 2 }]);
    await store.commit(commit(1, 2, { consumed: 2 }));
    expect(await store.mail(a)).toEqual([]);
    await store.close();
  });

  test('gives tenants turns, and to each as much as there is room for', async () => {
    const store = await (await opener())();
    const a = await store.join('a', 1);
    const of = (n: number, tenant: string) => store.admit(record(n, { tenant: tenant as TenantId }), [], undefined);
    for (let n = 1; n <= 6; n++) await of(n, 'crew');
    for (let n = 7; n <= 9; n++) await of(n, 'zoo');
    await of(10, 'lab');
    const first = await store.take(a, { runs: 4 }, 1);
    expect(ids(first.runs)).toEqual([1, 7, 10, 2].map((n) => runId(n)));
    const some = await store.take(a, { runs: 10, of: { crew: 1, zoo: 0 } }, 1);
    expect(ids(some.runs)).toEqual([runId(3)]);
    const each = await store.take(a, { runs: 10, of: { zoo: 2 }, each: 1 }, 1);
    expect(ids(each.runs)).toEqual([4, 8, 9].map((n) => runId(n)));
    // One that has begun takes room that those which have not would have had.
    await store.admit(record(11, { tenant: 'crew' as TenantId }), [], a);
    await store.commit(commit(11, 1, { timers: [{ id: 1, due: 1 }] }));
    await store.park(runId(11), { epoch: 1, seq: 1, inbox: 0 }, undefined);
    const begun = await store.take(a, { runs: 10, of: { crew: 1 } }, 1);
    expect(ids(begun.runs)).toEqual([runId(11)]);
    expect(ids((await store.take(a, ROOM, 1)).runs)).toEqual([5, 6].map((n) => runId(n)));
    await store.close();
  });

  test('takes each entry for a sign of life of the node that wrote it, so that no time without one reaches back before it', async () => {
    const open = await opener();
    const store = await open();
    const a = await store.join('a', 100);
    await store.admit(record(1), [], a);
    const at = (seq: number, time: number, epoch = 1) => ({ ...commit(1, seq, { epoch }), entry: entry(seq, { at: time }) });
    await store.commit(at(1, 250));
    // The clock of the node was put back.
    await store.commit(at(2, 180));
    await expect(store.commit(at(9, 400))).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    await store.close();

    const again = await open();
    const b = await again.join('a', 300);
    await again.beat(b, 350);
    await again.claim(runId(1), b, 1);
    await again.commit(at(3, 320, 2));
    expect(await again.downtimes()).toEqual([{ from: 250, until: 300 }]);
    await again.close();
    const last = await open();
    await last.join('a', 400);
    expect(await last.downtimes()).toEqual([
      { from: 250, until: 300 },
      { from: 350, until: 400 },
    ]);
    await last.close();
  });

  test('tells what was decided for all nodes since a version, each time once', async () => {
    const open = await opener();
    const store = await open();
    const a = await store.join('a', 1);
    await store.admit(record(1), [grant(1, 1), grant(2, 1), grant(3, 1)], a);
    const { version, ...all } = await store.changesSince(undefined);
    expect(all).toEqual({ quarantines: true, services: true, revoked: undefined });
    const nothing = { quarantines: false, services: false, revoked: [] };
    expect(await store.changesSince(version)).toEqual({ version, ...nothing });
    const since = async (before: number) => {
      const { version: now, ...rest } = await store.changesSince(before);
      return [now, rest] as const;
    };
    const put = { kind: 'agent', name: 'crew/a', by: 'ana', reason: 'odd', at: 1 } as const;
    await store.putQuarantine(put);
    const [second, quarantined] = await since(version);
    expect([second > version, quarantined]).toEqual([true, { ...nothing, quarantines: true }]);
    // A change counts whether a commit or a person makes it; a refused commit and a call that changes nothing do not.
    await store.commit({ ...commit(1, 1), revoked: [grantId(1)], quarantine: { ...put, kind: 'version', name: 'v' } });
    await expect(store.commit({ ...commit(1, 5), revoked: [grantId(3)] })).rejects.toMatchObject({ code: 'CORRAL_EPOCH_STALE' });
    await store.revoke(grantId(2), 'ana', 'odd', 1);
    await store.revoke(grantId(9), 'ana', 'odd', 1);
    await store.liftQuarantine('tool', 'crew/none', 'ana', 2);
    const [third, decided] = await since(second);
    expect(decided).toEqual({ ...nothing, quarantines: true, revoked: [grantId(1), grantId(2)] });
    await store.serve({ tenant: 't' as TenantId, name: 's', version: 'sha256:1' as never });
    await store.liftQuarantine('agent', 'crew/a', 'ana', 2);
    expect((await since(third))[1]).toEqual({ quarantines: true, services: true, revoked: [] });
    const [last] = await since(third);
    await store.close();
    const again = await open();
    expect(await again.changesSince(last)).toEqual({ version: last, ...nothing });
    // A version that this store has not had: one of a copy that went on.
    expect(await again.changesSince(last + 5)).toMatchObject({ version: last, quarantines: true, revoked: undefined });
    await again.close();
  });

  test('keeps the last changes only, and counts everything as changed for a node that is further behind', async () => {
    const store = await (await opener())();
    await store.admit(record(1), [], await store.join('a', 1));
    const { version } = await store.changesSince(undefined);
    const grants = Array.from({ length: MACHINE.registry_changes.default }, (_, i) => grant(i + 1, 1));
    await store.commit(commit(1, 1, { grants, revoked: grants.map(({ id }) => id) }));
    expect((await store.changesSince(version)).revoked).toHaveLength(grants.length);
    await store.serve({ tenant: 't' as TenantId, name: 's', version: 'sha256:1' as never });
    expect(await store.changesSince(version)).toMatchObject({ quarantines: true, services: true, revoked: undefined });
    expect(await store.changesSince(version + 1)).toMatchObject({ quarantines: false, services: true });
    await store.close();
  });

  test('lifts the quarantines that a node knows, and not one that another node has put up since', async () => {
    const store = await (await opener())();
    const put = { kind: 'agent', name: 'crew/a', tenant: 'crew', by: 'ana', reason: 'odd' } as const;
    for (const at of [10, 20, 30]) await store.putQuarantine({ ...put, at });
    await store.putQuarantine({ ...put, tenant: 'zoo', at: 5 });
    await store.liftQuarantine('agent', 'crew/a', 'ben', 40, 'crew', 20);
    expect((await store.quarantines()).map(({ at }) => at).toSorted((one, other) => one - other)).toEqual([5, 30]);
    await store.liftQuarantine('agent', 'crew/a', 'ben', 50, 'crew');
    expect(await store.quarantines()).toEqual([{ ...put, tenant: 'zoo', at: 5 }]);
    await store.close();
  });

  test('knows no time without a node while one of them lives', async () => {
    const store = await (await opener())();
    const a = await store.join('a', 100);
    await store.join('b', 200);
    await store.leave(a, 300);
    await store.join('a', 500);
    expect(await store.downtimes()).toEqual([]);
    await store.close();
  });
});
