/** The promises of each method of the store port, beyond commits, nodes and evidence: families, services, parked runs, grants, upkeep. */
import { describe, expect, test } from 'vitest';
import type { TenantId } from '@corral/protocol/ids';
import { MACHINE } from '@corral/protocol/limits';
import type { RunRecord } from '@corral/protocol/model/run';
import type { UsageWanted } from '@corral/protocol/model/spend';
import { ALL_OF_INBOX, type Store } from '@corral/protocol/ports/store';
import { ACTIVE, commit, DONE, entry, grant, grantId, message, record, runId } from '@corral/store/fixtures/commits';
import { openerOf } from './opener.ts';
import { KINDS } from './stores.ts';

const TENANT = 't' as TenantId;
const VERSION = `sha256:${'0'.repeat(64)}` as never;
const childOf = (n: number, parent: number): RunRecord => record(n, { parent: { run: runId(parent), id: 1, agent: 'a' as never } });
const ids = (...of: number[]) => of.map((n) => runId(n));
/** Gives a run back to the store as its owner has seen it. */
const park = async (store: Store, n: number, more: { deadline?: number; ledger?: string; still?: boolean } = {}) => {
  const { epoch, seq, inbox } = (await store.run(runId(n))) as { epoch: number; seq: number; inbox: number };
  return store.park(runId(n), { epoch, seq, inbox }, more.deadline, more.ledger, more.still);
};

describe.each(KINDS)('a store of $name', (kind) => {
  const open = async () => (await openerOf(kind))();

  test('resolves and rejects no commit in the turn of its caller', async () => {
    const store = await open();
    await store.admit(record(1), [], 1);
    const settled: string[] = [];
    const taken = store.commit(commit(1, 1)).then(() => settled.push('taken'));
    const refused = store.commit(commit(1, 7)).catch(() => settled.push('refused'));
    // All microtasks of this turn.
    for (let i = 0; i < 1_000; i++) await Promise.resolve();
    expect(settled).toEqual([]);
    await Promise.all([taken, refused]);
    expect(settled).toEqual(['taken', 'refused']);
    await store.close();
  });

  test('wakes no run that is paused or quarantined, whatever has come for it and whatever is due, until it may go on', async () => {
    const store = await open();
    const node = await store.join('a', 1);
    for (const n of [1, 2, 3]) await store.admit(record(n), [], node);
    await store.commit(commit(1, 1, { status: { ...ACTIVE, control: 'paused' }, timers: [{ id: 4, due: 500 }] }));
    await store.commit(commit(2, 1, { status: { ...ACTIVE, control: 'quarantined' }, timers: [{ id: 4, due: 600 }] }));
    for (const n of [1, 2]) await park(store, n);
    await store.commit(commit(3, 1, { outbox: [message(1, 'x'), message(2, 'y')] }));
    // One that has not begun.
    await store.admit(record(4), [], undefined);
    await store.quarantine(runId(4), 'its record is damaged');
    expect([await store.wakeable(900, 9), await store.nextDue()]).toEqual([[], undefined]);
    expect(await store.take(node, { runs: 9 }, 900)).toEqual({ runs: [], unreadable: [] });
    await store.claim(runId(1), node, 900);
    await store.commit(commit(1, 2, { epoch: 2 }));
    await park(store, 1);
    expect([await store.wakeable(900, 9), await store.nextDue()]).toEqual([ids(1), 500]);
    await store.close();
  });

  test('counts the parked runs that wait for people, by what for, and no others', async () => {
    const store = await open();
    const node = await store.join('a', 1);
    const waits = ['approval', 'approval', 'resolution', 'upgrade', 'timer', 'approval', 'approval'] as const;
    for (const [i, waiting] of waits.entries()) {
      await store.admit(record(i + 1), [], node);
      await store.commit(commit(i + 1, 1, { status: { ...ACTIVE, waiting } }));
      // The last but one stays in memory.
      if (i !== 5) await park(store, i + 1);
    }
    expect(await store.parkedForPeople()).toEqual({ approval: 3, resolution: 1, upgrade: 1 });
    await store.claim(runId(7), node, 500);
    expect(await store.parkedForPeople()).toEqual({ approval: 2, resolution: 1, upgrade: 1 });
    await store.close();
  });

  test('gives a parked run its ledger back with the next claim, unless its journal went on, and wakes it for its timer', async () => {
    const store = await open();
    const node = await store.join('a', 1);
    await store.admit(record(1), [], node);
    await store.admit(record(2), [], node);
    await store.commit(commit(1, 1, { status: { ...ACTIVE, waiting: 'timer' }, timers: [{ id: 4, due: 500 }] }));
    await store.commit(commit(2, 1, { status: { ...ACTIVE, waiting: 'message' } }));
    expect(await store.park(runId(1), { epoch: 1, seq: 0, inbox: 0 }, undefined)).toBe(false);
    expect(await park(store, 1, { ledger: '{"seq":1}' })).toBe(true);
    expect(await park(store, 2, { deadline: 900 })).toBe(true);
    expect(await store.run(runId(1))).toMatchObject({ parked: true, ledger: '{"seq":1}', seq: 1 });
    expect(await store.ids({ parked: true })).toEqual(ids(1, 2));
    expect(await store.parkedOn('timer')).toEqual(ids(1));
    expect(await store.parkedOn('child')).toEqual([]);
    expect(await store.nextDue()).toBe(500);
    expect([await store.wakeable(499, 9), await store.wakeable(500, 9), await store.wakeable(900, 9)]).toEqual([[], ids(1), ids(1, 2)]);
    expect(await store.wakeable(900, 9, [TENANT])).toEqual([]);
    expect(await store.claim(runId(1), node, 500)).toMatchObject({ epoch: 2, ledger: '{"seq":1}', parked: false });
    expect(await store.nextDue()).toBe(900);
    await store.commit(commit(1, 2, { epoch: 2, timersDone: [4] }));
    expect((await store.run(runId(1)))?.ledger).toBeUndefined();
    // The deadline was for the time that it was parked.
    await store.claim(runId(2), node, 600);
    await park(store, 2);
    expect(await store.nextDue()).toBeUndefined();
    await store.claim(runId(2), node, 600);
    expect(await store.park(runId(2), { epoch: 9, seq: 1, inbox: 0 }, undefined)).toBe(false);
    // One that may not go on is not woken by what comes for it.
    await park(store, 2, { still: true });
    await store.commit(commit(1, 3, { epoch: 2, outbox: [message(2, 'x')] }));
    expect(await store.wakeable(900, 9)).toEqual([]);
    expect(await store.run(runId(2))).toMatchObject({ still: true, inbox: 1 });
    expect(await store.mail(node)).toEqual([]);
    // A claim takes the mark away.
    await store.claim(runId(2), node, 900);
    expect(await store.run(runId(2))).toMatchObject({ still: false, parked: false });
    await store.close();
  });

  test('takes no more messages for a run than a mailbox holds, and says to whom none was delivered', async () => {
    const store = await open();
    for (const n of [1, 2]) await store.admit(record(n), [], 1);
    const most = MACHINE.mailbox_messages.default;
    const { delivered } = await store.commit(commit(1, 1, { outbox: Array.from({ length: most + 1 }, (_, i) => message(2, `1.${i}`)) }));
    expect(delivered.slice(-2)).toEqual([most, -1]);
    await store.commit(commit(2, 1, { consumed: 3 }));
    expect((await store.commit(commit(1, 2, { outbox: [message(2, '2.0'), message(2, '2.1')] }))).delivered.map((n) => n > 0)).toEqual([
      true,
      false,
    ]);
    await store.close();
  });

  test('tells a node of the mail for the runs that it holds, and keeps answers until a commit takes them', async () => {
    const store = await open();
    const node = await store.join('a', 1);
    for (const n of [1, 2]) await store.admit(record(n), [], node);
    await store.commit(commit(1, 1, { outbox: [message(2, 'x'), message(2, 'y')] }));
    expect(await store.mail(node)).toEqual([{ run: runId(2), last: 2 }]);
    await store.keep(runId(2), 1, [{ id: 3, value: 'paid' }]);
    await store.keep(runId(2), 1, [{ id: 3, value: 'paid again' }]);
    await store.keep(runId(2), 7, [{ id: 4, value: 'of another owner' }]);
    const answer = { seq: -3, delivery: { kind: 'reply', results: [{ id: 3, value: 'paid' }] } };
    expect((await store.inbox(runId(2), ALL_OF_INBOX)).map(({ seq }) => seq)).toEqual([-3, 1, 2]);
    expect((await store.inbox(runId(2), ALL_OF_INBOX))[0]).toMatchObject(answer);
    expect((await store.inbox(runId(2), 1)).map(({ seq }) => seq)).toEqual([2]);
    await store.commit(commit(2, 1, { consumed: 2, answered: [3] }));
    expect((await store.inbox(runId(2), ALL_OF_INBOX)).map(({ seq }) => seq)).toEqual([1]);
    await store.close();
  });

  test('knows a family at any depth, and who is left of it when a parent has ended', async () => {
    const store = await open();
    await store.admit(record(1), [grant(1, 1)], 1);
    await store.commit(commit(1, 1, { spawned: [childOf(2, 1), childOf(3, 1)], grants: [grant(2, 2, 1)] }));
    await store.commit(commit(2, 1, { spawned: [childOf(4, 2)], grants: [grant(4, 4, 2)] }));
    expect((await store.descendants(runId(1))).toSorted()).toEqual(ids(2, 3, 4));
    expect(await store.orphans()).toEqual([]);
    await store.commit(commit(2, 2, { status: DONE }));
    expect((await store.descendants(runId(1))).toSorted()).toEqual(ids(3, 4));
    expect(await store.orphans()).toEqual(ids(4));
    expect((await store.runs({ parent: runId(1), ended: false })).map((one) => one.record.id)).toEqual(ids(3));
    expect(await store.ids({ tenant: TENANT, after: runId(1), limit: 2 })).toEqual(ids(2, 3));
    expect(await store.ids({ among: ids(4, 9, 1) })).toEqual(ids(1, 4));
    expect([await store.ids({ after: runId(9) }), await store.runs({ after: runId(9) })]).toEqual([[], []]);
    expect([await store.isShared(grantId(1)), await store.isShared(grantId(4))]).toEqual([true, false]);
    expect([await store.isShared(grantId(1), [runId(4)]), await store.isShared(grantId(1), [runId(3)])]).toEqual([false, true]);
    expect([await store.holder(grantId(4)), await store.holder(grantId(9))]).toEqual([runId(4), undefined]);
    expect((await store.grants(runId(4))).map(({ id }) => id).toSorted()).toEqual([grantId(1), grantId(2), grantId(4)]);
    expect(await store.revoke(grantId(2), 'ana', 'odd', 5)).toBe(true);
    expect(await store.isShared(grantId(1))).toBe(false);
    expect(await store.revoke(grantId(2), 'ben', 'later', 6)).toBe(true);
    expect(await store.revoke(grantId(9), 'ana', 'odd', 5)).toBe(false);
    expect(await store.revoked([1, 2, 4, 9].map((n) => grantId(n)))).toEqual([grantId(2)]);
    expect((await store.grants(runId(2))).find(({ id }) => id === grantId(2))).toMatchObject({ revoked: true, revoked_by: 'ana' });
    await store.commit(commit(4, 1, { status: DONE }));
    expect(await store.orphans()).toEqual([]);
    await store.close();
  });

  test('makes one instance of a service for each key, which goes on from the state that the last one kept', async () => {
    const store = await open();
    const node = await store.join('a', 1);
    for (const n of [1, 2]) await store.admit(record(n), [], node);
    await store.serve({ tenant: TENANT, name: 'keeper', version: VERSION, owner: 'a' });
    const other = { tenant: TENANT, name: 'keeper', version: VERSION, owner: 'b' };
    for (const taking of [other, { tenant: TENANT, name: 'keeper', version: VERSION }])
      await expect(store.serve(taking)).rejects.toMatchObject({
        code: 'CORRAL_SERVICE_TAKEN',
        message: expect.not.stringContaining('undefined') as string,
      });
    expect(await store.services()).toEqual([{ tenant: TENANT, name: 'keeper', version: VERSION, owner: 'a' }]);
    const of = (n: number) => ({ id: 'keeper/k', of: 'keeper', record: record(n, { service: { key: 'k' } }), grants: [grant(n, n)] });
    expect(await store.instance('keeper/k')).toBeUndefined();
    const first = await store.commit(commit(1, 1, { outbox: [{ ...message(8, '1.0'), instance: of(8) }] }));
    expect(first).toMatchObject({ delivered: [1], receivers: ids(8), created: ids(8) });
    const second = await store.commit(commit(2, 1, { outbox: [{ ...message(9, '1.0'), instance: of(9) }] }));
    expect(second).toMatchObject({ delivered: [2], receivers: ids(8) });
    expect(second.created).toBeUndefined();
    expect([await store.instance('keeper/k'), await store.run(runId(9))]).toEqual([runId(8), undefined]);
    const { epoch } = (await store.claim(runId(8), node, 1)) as { epoch: number };
    const checkpoint = { kind: 'checkpoint' as const, state: { paid: [1] }, ledger: {} };
    await store.commit(commit(8, 1, { epoch, entry: entry(1, { event: checkpoint as never }) }));
    expect(await store.run(runId(8))).toMatchObject({ checkpoint: 1 });
    await store.commit(commit(8, 2, { epoch, status: DONE }));
    await store.commit(commit(1, 2, { outbox: [{ ...message(9, '2.0'), instance: of(9) }] }));
    expect((await store.run(runId(9)))?.record.service).toMatchObject({ key: 'k', state: { paid: [1] } });
    expect((await store.grants(runId(9))).map(({ id }) => id)).toEqual([grantId(9)]);
    expect(await store.instance('keeper/k')).toBe(runId(9));
    // A kill discards the state of the instance.
    await store.claim(runId(9), node, 1);
    await store.commit(commit(9, 1, { status: { ...DONE, outcome: { kind: 'killed', by: 'ana', reason: 'odd' } } }));
    await store.commit(commit(1, 3, { outbox: [{ ...message(10, '3.0'), instance: of(10) }] }));
    expect((await store.run(runId(10)))?.record.service).toEqual({ key: 'k' });
    await store.close();
  });

  test('makes no more instances of a service than may be alive, among which none counts that has ended', { tags: 'long' }, async () => {
    const store = await open();
    const node = await store.join('a', 1);
    await store.admit(record(1), [], node);
    const most = MACHINE.instances_per_service.default;
    const begin = (n: number) => ({
      ...message(n, `${n}`),
      instance: { id: `keeper/${n}`, of: 'keeper', record: record(n, { service: { key: `${n}` } }), grants: [] },
    });
    const outbox = Array.from({ length: most + 1 }, (_, i) => begin(10 + i));
    const { created = [], delivered } = await store.commit(commit(1, 1, { outbox }));
    expect([created.length, delivered.at(-2), delivered.at(-1)]).toEqual([most, 1, 0]);
    await store.claim(runId(10), node, 1);
    await store.commit(commit(10, 1, { status: DONE }));
    const last = 10 + most;
    expect((await store.commit(commit(1, 2, { outbox: [begin(last), begin(last + 1)] }))).created).toEqual(ids(last));
    await store.close();
  });

  test('stops runs that cannot be read, by a quarantine or by an end without an entry', async () => {
    const store = await open();
    for (const n of [1, 2]) await store.admit(record(n), [], 1);
    await store.commit(commit(1, 1, { outbox: [{ ...message(2, 'x'), delivery: { ...message(2, 'x').delivery, request: 5 } }] }));
    await store.quarantine(runId(2), 'the journal is damaged');
    expect(await store.run(runId(2))).toMatchObject({ status: { control: 'quarantined' }, parked: true });
    // No lifted quarantine lets it go on.
    expect(await store.quarantined(undefined, 9)).toEqual([]);
    const outcome = { kind: 'killed', by: 'ana', reason: 'enough' } as const;
    expect(await store.bury(runId(2), outcome, 7)).toEqual(ids(1));
    expect(await store.run(runId(2))).toMatchObject({ seq: 0, status: { lifecycle: 'ended', outcome, ended_at: 7 } });
    expect((await store.inbox(runId(1))).map(({ delivery }) => delivery)).toMatchObject([
      { kind: 'reply', results: [{ id: 5, error: { code: 'CORRAL_RECIPIENT_ENDED' } }] },
    ]);
    expect(await store.bury(runId(2), outcome, 8)).toEqual([]);
    await store.close();
  });

  test('keeps quarantines, and finds the parked runs that one has stopped', async () => {
    const store = await open();
    for (const n of [1, 2, 3]) await store.admit(record(n), [], 1);
    for (const n of [1, 3]) await store.commit(commit(n, 1, { status: { ...ACTIVE, control: 'quarantined' } }));
    for (const n of [1, 2]) await park(store, n);
    const put = { kind: 'agent', name: 't/a', tenant: TENANT, by: 'ana', reason: 'odd', at: 1 } as const;
    await store.putQuarantine(put);
    expect(await store.quarantines()).toEqual([put]);
    expect(await store.quarantined(undefined, 9)).toEqual([{ id: runId(1), tenant: 't' }]);
    expect(await store.quarantined(runId(1), 9)).toEqual([]);
    await store.close();
  });

  test('gives a journal to a cell in pages, and its cost', async () => {
    const store = await open();
    await store.admit(record(1), [], 1);
    for (let seq = 1; seq <= 3; seq++) await store.commit(commit(1, seq, { entry: entry(seq, { delivery: `{"n":${seq}}` }) }));
    const page = await store.replayPage(runId(1), 1);
    expect(page).toMatchObject({ last: 3, cranks: 2, cpu_us: 10, more: false });
    expect([1, 2, 3].map((n) => page.text.includes(`{\\"n\\":${n}}`) || page.text.includes(`{"n":${n}}`))).toEqual([false, true, true]);
    await store.close();
  });

  test('sums what was spent by tenant, agent, person and tool, by the day and month, and forgets old days', async () => {
    const store = await open();
    await store.admit(record(1), [], 1);
    const amounts = (money_micros: number) => ({ money_micros, tokens: money_micros * 2, calls: 1 });
    let seq = 0;
    const spend = (tenant: string, agent: string, person: string, day: string, tools: Readonly<Record<string, number>>) => {
      const holders = (['tenant', 'agent', 'person'] as const).map((kind, i) => ({ tenant, kind, name: [tenant, agent, person][i] ?? '' }));
      const spent = Object.values(tools).reduce(
        (sum, money) => ({ money_micros: sum.money_micros + money, tokens: sum.tokens + money * 2, calls: sum.calls + 1 }),
        {
          money_micros: 0,
          tokens: 0,
          calls: 0,
        },
      );
      const one = {
        day,
        spent,
        reserved: amounts(5),
        tools: Object.entries(tools).map(([tool, money]) => ({ tool, spent: amounts(money) })),
      };
      return store.commit(commit(1, (seq += 1), { spend: { holders, days: [one] } }));
    };
    await spend('a', 'buyer', 'ana', '2026-10-31', { 'model:big': 100, pay: 7 });
    await spend('a', 'buyer', 'ben', '2026-11-01', { 'model:big': 10 });
    await spend('a', 'clerk', 'ana', '2026-11-02', { 'model:small': 3 });
    await spend('a', 'clerk', 'ana', '2026-11-02', { 'model:small': 2, '': 1 });
    await spend('b', 'buyer', 'ana', '2026-11-02', { 'model:big': 50 });
    const time = { from: '2026-11-01', until: '2026-11-30', limit: 10, offset: 0, where: {} } as const;
    const said = async (wanted: Partial<UsageWanted>) =>
      (await store.usage({ ...time, ...wanted })).rows.map(({ period, tenant, name, money_micros }) => [
        period,
        tenant,
        name,
        money_micros,
      ]);
    expect(await said({ by: 'tenant' })).toEqual([
      [null, 'b', 'b', 50],
      [null, 'a', 'a', 16],
    ]);
    // The agent of the same name in another tenant is another one; the model is the same.
    expect(await said({ by: 'agent' })).toEqual([
      [null, 'b', 'buyer', 50],
      [null, 'a', 'buyer', 10],
      [null, 'a', 'clerk', 6],
    ]);
    expect(await said({ by: 'tool' })).toEqual([
      [null, null, 'model:big', 60],
      [null, null, 'model:small', 5],
      [null, null, '', 1],
    ]);
    expect(await said({ by: 'tool', models: true, where: { tenant: 'a' }, from: '2026-10-01' })).toEqual([
      [null, 'a', 'model:big', 110],
      [null, 'a', 'model:small', 5],
    ]);
    // Sums by several keys at once.
    expect(await said({ by: 'tool', where: { person: 'ana' }, per: 'month', from: '2026-10-01' })).toEqual([
      ['2026-11', null, 'model:big', 50],
      ['2026-11', null, 'model:small', 5],
      ['2026-11', null, '', 1],
      ['2026-10', null, 'model:big', 100],
      ['2026-10', null, 'pay', 7],
    ]);
    expect(await said({ by: 'agent', where: { tool: 'model:big' } })).toEqual([
      [null, 'b', 'buyer', 50],
      [null, 'a', 'buyer', 10],
    ]);
    expect(await said({ per: 'day', where: { agent: 'buyer', tenant: 'a' }, from: '2026-10-01' })).toEqual([
      ['2026-11-01', 'a', null, 10],
      ['2026-10-31', 'a', null, 107],
    ]);
    expect(await said({ where: { agent: 'nobody' } })).toEqual([]);
    const page = await store.usage({ ...time, by: 'agent', limit: 1, offset: 1 });
    expect(page).toMatchObject({ rows: [{ tenant: 'a', name: 'buyer' }], total: { rows: 3, money_micros: 66, tokens: 132, calls: 5 } });
    expect(await store.usage({ ...time, by: 'agent', offset: 7 })).toMatchObject({ rows: [], total: { rows: 3, money_micros: 66 } });
    // Accounts with limits have no tools among them.
    expect((await store.spend({ from: '2026-11-02', tenant: 'b' })).map(({ kind }) => kind)).toEqual(['tenant', 'person', 'agent']);
    await store.forgetSpend('2026-11-01');
    expect(await said({ where: { person: 'ana', agent: 'buyer' }, from: '2026-01-01' })).toEqual([[null, null, null, 50]]);
    await store.close();
  });

  test('keeps what agents were seen to do, the days of accounts, and source maps', async () => {
    const store = await open();
    for (const n of [1, 2, 3]) await store.noteSeen(`fact ${n}`, n);
    await store.noteSeen('fact 2', 9);
    const seen = [1, 2, 3].map((n) => ({ fact: `fact ${n}`, value: n === 2 ? 9 : n }));
    expect([await store.seen(9), await store.seen(2)]).toEqual([seen, seen.slice(1)]);
    await store.admit(record(1), [], 1);
    const holders = [{ tenant: 't', kind: 'tenant' as const, name: 't' }];
    const amounts = (tokens: number) => ({ money_micros: 0, tokens, calls: 0 });
    const days = ['2026-10-31', '2026-11-01'].map((day) => ({ day, spent: amounts(3), reserved: amounts(4), tools: [] }));
    await store.commit(commit(1, 1, { spend: { holders, days } }));
    await store.commit(
      commit(1, 2, { spend: { holders, days: [{ day: '2026-11-01', spent: amounts(4), reserved: amounts(-4), tools: [] }] } }),
    );
    expect(await store.spend({ from: '2026-11-01', tenant: 't' })).toMatchObject([{ spent: { tokens: 7 }, reserved: { tokens: 0 } }]);
    expect(await store.spend({ from: '2026-10-01', kind: 'agent' })).toEqual([]);
    expect(await store.forgetSpend('2026-11-01')).toBe(1);
    expect(await store.spend({ from: '0' })).toMatchObject([{ day: '2026-11-01' }]);
    const digest = `sha256:${'b'.repeat(64)}` as never;
    await store.deploy({ digest, source: 'code', source_map: undefined }, []);
    expect(await store.sourceMap(digest)).toBeUndefined();
    await store.deploy({ digest, source: 'code', source_map: '{}' }, []);
    for (const source_map of ['{"of":"somebody else"}', undefined]) await store.deploy({ digest, source: 'code', source_map }, []);
    expect(await store.sourceMap(digest)).toBe('{}');
    await store.close();
  });
});
