/** A fork is a run of whoever forks: taken in like a job of theirs, with what is left of its origin's grants and never more. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Grant } from '@corral/protocol/model/grant';
import type { PrincipalId, RunId } from '@corral/protocol/ids';
import { MICROS } from '@corral/protocol/limits';
import type { Store } from '@corral/protocol/ports/store';
import { asked, bus, forbidding, FREE, outputOf, paid, PAYER, payments, policies } from '../integration/payments.ts';
import { corral, folder } from '../command.ts';
import { front, SLEEP } from '../front.ts';
import { gate, readingTool, temporary, tool, world, type World } from '../world.ts';
import { until } from '../until.ts';
import { movableClock } from '../clock.ts';

const ANN = 'ann' as PrincipalId;
const by = (run: RunId, at: number) => ({ run, at, by: ANN });
const LOOKER = `{ name: 'looker', uses: { look: 'tool:look' }, async run({ caps, sleep }) {
  const all = [];
  for (let i = 0; i < 3; i++) { all.push(await caps.look({}).then(() => 'seen', (error) => error.code)); await sleep(1); }
  return all } }`;
const look = () => readingTool('look', () => 1);
const SELLER = `{ name: 'seller', uses: { pay: 'tool:pay' }, async run({ caps, sleep }) { await sleep(1); await caps.pay({ amount: 0.01 }); return 'paid' } }`;
const pay = () => tool('pay', () => 'paid', { money: 'amount' });
type Submitted = Awaited<ReturnType<World['supervisor']['fork']>>;
const ofTool = (grants: readonly Grant[]) => grants.find(({ target }) => target.kind === 'tool');
const looks = async (w: World, grants: Parameters<World['submit']>[2]) => {
  const { id, ended } = await w.submit(await w.deploy(LOOKER), {}, grants);
  await ended;
  return id;
};

describe('a fork is a run of whoever forks', () => {
  test('and what it spends is theirs, however its origin was submitted', async () => {
    const w = await world([pay()]);
    const version = await w.deploy(SELLER);
    const who = { token: 'tok_1', made_by: 'token:boss', person: 'token:boss' };
    const { id, ended } = await w.supervisor.submit({ tenant: 'crew' as never, version, input: {}, principal: 'bob' as PrincipalId, who });
    await ended;
    const [plain, known] = [await w.supervisor.fork(by(id, 1)), await w.supervisor.fork({ ...by(id, 2), who: { person: 'eva' } })];
    for (const { ended: end } of [plain, known]) expect(await end).toEqual({ kind: 'completed', output: 'paid' });
    expect((await w.store.run(plain.id))?.record).toMatchObject({ principal: 'ann', submitter: 'ann', origin: { run: id, at: 1 } });
    expect((await w.store.run(plain.id))?.record.who).toBeUndefined();
    expect((await w.store.run(known.id))?.record.who).toEqual({ person: 'eva' });
    expect((await w.store.journal(known.id)).map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ kind: 'forked', from: id, by: 'ann', who: { person: 'eva' } }),
    );
    const people = (await w.store.spend({ from: '2000-01-01' })).filter(({ kind }) => kind === 'person');
    expect(Object.fromEntries(people.map(({ name, spent }) => [name, spent.money_micros]))).toEqual({
      'token:boss': MICROS / 100,
      ann: MICROS / 100,
      eva: MICROS / 100,
    });
  });

  test('over the network too, where a token’s name does not say who it is', { tags: 'long' }, async () => {
    const { admin, as, deploy } = await front();
    await deploy(`{ name: 'hello', run: () => 1 }`);
    const [boss, other] = [await as('local', 'admin'), await as('local', 'developer')];
    const { run } = await boss.submitRun({ body: { agent: 'hello' } });
    await admin.showRun({ params: { run }, query: { wait_ms: 60_000 } });
    const made = await other.forkRun({ params: { run }, body: { at: 1 } });
    const [origin, fork] = [await admin.showRun({ params: { run } }), await admin.showRun({ params: { run: made.run } })];
    expect(fork.who?.token).not.toBe(origin.who?.token);
    expect(fork.who).toMatchObject({ person: fork.principal });
  });
});

describe('a fork gets what was left of its origin’s grants where it parts', () => {
  test('without those that people have taken back since', async () => {
    const w = await world([look()]);
    const id = await looks(w, {});
    const grant = ofTool(await w.store.grants(id));
    await w.supervisor.stops.revoke(grant?.id as never, 'eve', 'it leaks');
    const fork = await w.supervisor.fork(by(id, 1));
    expect(await fork.ended).toEqual({ kind: 'completed', output: ['CORRAL_REVOKED', 'CORRAL_REVOKED', 'CORRAL_REVOKED'] });
    expect(ofTool(await w.store.grants(fork.id))).toMatchObject({ revoked: true, revoked_by: 'eve', revoked_why: 'it leaks' });
    // A grant that ended with its run was taken back by nobody.
    const stopped = await w.submit(await w.deploy(LOOKER.replace('sleep(1)', 'sleep(i === 2 ? 1 : 300000)')));
    await w.until(stopped.id, (view) => (view?.effects ?? 0) >= 2);
    await w.supervisor.control.kill(stopped.id, 'eve', 'enough');
    const again = await w.supervisor.fork(by(stopped.id, 1));
    await w.until(again.id, (view) => (view?.effects ?? 0) >= 2);
    expect(ofTool(await w.store.grants(again.id))).toMatchObject({ revoked: false });
  });

  test('without those that have expired since', async () => {
    const w = await world([look()]);
    const id = await looks(w, { grants: { look: { expires_in_ms: 2_000 } } });
    const expires = ofTool(await w.store.grants(id))?.expires_at ?? 0;
    await until(() => Date.now() > expires);
    const fork = await w.supervisor.fork(by(id, 1));
    expect(outputOf(await fork.ended)).toEqual(Array(3).fill('CORRAL_GRANT_EXPIRED'));
  });

  test('less the uses that the origin had had by then', async () => {
    const w = await world([look()]);
    const id = await looks(w, { grants: { look: { uses: 2 } } });
    const [first, last] = [await w.supervisor.fork(by(id, 1)), await w.supervisor.fork(by(id, 4))];
    expect(outputOf(await first.ended)).toEqual(['seen', 'seen', 'CORRAL_GRANT_SPENT']);
    // Before crank 4 it has looked once and asked a second time: that use is the fork's to have, where it is told to.
    expect(last.unknown).toMatchObject([{ call: 3 }]);
    expect(ofTool(await w.store.grants(last.id))).toMatchObject({ uses: 0 });
    await w.supervisor.control.resolve(last.id, 3, 'ann', { how: 'retry' });
    expect(outputOf(await last.ended)).toEqual(['seen', 'seen', 'CORRAL_GRANT_SPENT']);
  });

  test('and no more of budget and ceilings, nor of tools, than its tenant may have by then', async () => {
    const w = await world([look()]);
    const id = await looks(w, {});
    const most = { ceilings: { wall_ms: 5_000 }, budget: { calls: 2 } };
    w.supervisor.configure({ crew: { tools: [look()], most } });
    const fork = await w.supervisor.fork(by(id, 1));
    expect((await w.store.run(fork.id))?.record).toMatchObject({ ...most, narrowed: true });
    expect(outputOf(await fork.ended)).toEqual(['seen', 'seen', 'CORRAL_BUDGET_EXCEEDED']);
    w.supervisor.configure({ crew: { tools: [] } });
    await expect(w.supervisor.fork(by(id, 1))).rejects.toMatchObject({ code: 'CORRAL_CAP_UNKNOWN' });
  });
});

describe('a fork is taken in like a job', () => {
  const count = async (store: Store) => (await store.runs({ limit: 100 })).length;

  test('and not while its agent, its version or its tenant is under quarantine', async () => {
    const w = await world([look()]);
    const id = await looks(w, {});
    const version = (await w.store.run(id))?.record.version as string;
    for (const [kind, name, tenant] of [
      ['agent', 'crew/looker', 'crew'],
      ['version', version, 'crew'],
      ['tenant', 'crew', undefined],
    ] as const) {
      await w.supervisor.stops.quarantine(kind, name, 'eve', 'odd', { tenant });
      await expect(w.supervisor.fork(by(id, 1))).rejects.toMatchObject({ code: 'CORRAL_QUARANTINED' });
      await w.supervisor.stops.lift(kind, name, 'eve', 'fine', tenant);
    }
    expect(await count(w.store)).toBe(1);
  });

  test('and not while its version rests, of which it may be the run that tries', async () => {
    const loops = { breaker: { least: 2, window: 5, failed: 0.6, rest_ms: 400, tries: 1 } };
    const { clock, forward } = movableClock();
    const w = await world([], { clock, tenants: { crew: { tools: [], loops } } });
    const version = await w.deploy(`{ name: 'fails', run({ input }) { if (input.fail) throw new Error('no'); return 'well'; } }`);
    let id = '' as RunId;
    for (let i = 0; i < 2; i++) {
      const one = await w.submit(version, { fail: true });
      await one.ended;
      id = one.id;
    }
    await expect(w.supervisor.fork(by(id, 1))).rejects.toMatchObject({ code: 'CORRAL_AGENT_RESTS' });
    forward(450);
    const fork = await w.supervisor.fork({ ...by(id, 1), input: { fail: false } });
    expect(outputOf(await fork.ended)).toBe('well');
    expect(w.supervisor.loops.breakers.resting()).toEqual([]);
  });

  test('and not where the accounts of whoever forks have nothing left', async () => {
    const spend = { people: { ann: { day: { money_micros: MICROS / 100 } } } };
    const w = await world([pay()], { tenants: { crew: { tools: [pay()], spend } } });
    const { id, ended } = await w.submit(await w.deploy(SELLER));
    await ended;
    await (
      await w.supervisor.fork(by(id, 1))
    ).ended;
    await expect(w.supervisor.fork(by(id, 1))).rejects.toMatchObject({ code: 'CORRAL_SPEND_EXCEEDED' });
    expect(await count(w.store)).toBe(2);
  });

  test('and not beyond the runs that its tenant may have, which is counted as for jobs', async () => {
    const { deploy, as } = await front({ configText: JSON.stringify({ tenants: { local: { queue: 3 } } }) });
    await deploy(SLEEP);
    const developer = await as('local', 'developer');
    const { run } = await developer.submitRun({ body: { agent: 'sleeper' } });
    const forks = await Promise.allSettled(Array.from({ length: 4 }, () => developer.forkRun({ params: { run }, body: { at: 1 } })));
    expect(forks.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    const reasons = forks.flatMap((one) => (one.status === 'rejected' ? [one.reason as { code: string }] : []));
    expect(reasons.map(({ code }) => code)).toEqual(['CORRAL_QUEUE_FULL', 'CORRAL_QUEUE_FULL']);
    // A fork that is refused takes no place.
    await expect(developer.submitRun({ body: { agent: 'sleeper' } })).rejects.toMatchObject({ code: 'CORRAL_QUEUE_FULL' });
  });

  test('on a folder without a host too', async () => {
    const f = await folder();
    const w = await world([], { folder: join(f.data, '..') });
    const { id, ended } = await w.submit(await w.deploy(`{ name: 'a', run: () => 1 }`));
    await ended;
    await w.supervisor.stops.quarantine('agent', 'crew/a', 'eve', 'odd', { tenant: 'crew' });
    await w.close();
    const { code, err } = await corral(['fork', id, '--at', '1', '--no-go', '--data', f.data]);
    expect([code, err]).toEqual([expect.any(Number), expect.stringContaining('CORRAL_QUARANTINED')]);
    expect(code).not.toBe(0);
  });
});

test('a fork reads of its origin’s journal what comes before it, a page at a time', { tags: 'long' }, async () => {
  const asked: [number | undefined, number | undefined][] = [];
  let origin = '' as RunId;
  const w = await world([], {
    through: (store) =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (name === 'journal')
            return (run: RunId, after?: number, limit?: number) => {
              if (run === origin) asked.push([after, limit]);
              return target.journal(run, after, limit);
            };
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  const { id, ended } = await w.submit(
    await w.deploy(`{ name: 'long', async run({ sleep }) { for (let i = 0; i < 260; i++) await sleep(0); return 1 } }`),
  );
  await ended;
  origin = id;
  const fork = await w.supervisor.fork(by(id, 250));
  expect(outputOf(await fork.ended)).toBe(1);
  expect(asked).toEqual([
    [0, 100],
    [100, 100],
    [200, 49],
  ]);
});

describe('what people approved was approved for the origin', () => {
  test('so a call that still waits is asked about anew, also of whoever forks', async () => {
    paid.length = 0;
    const w = await bus([payments()], forbidding('@consequence("approval") @quorum("2")'));
    const { id } = await w.submit(await w.deploy(PAYER));
    const { call } = await asked(w);
    await w.supervisor.control.decide(id, call, 'ann', 'approve', '');
    const at = ((await w.store.run(id))?.seq ?? 0) + 1;
    const fork = await w.supervisor.fork(by(id, at));
    await w.supervisor.control.kill(id, 'eve', 'enough');
    expect(await w.supervisor.approvals()).toMatchObject([{ run: fork.id, approved_by: [] }]);
    const decide = (name: string) => w.supervisor.control.decide(fork.id, call, name, 'approve', '');
    await expect(decide('ann')).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
    await decide('ben');
    expect(paid).toEqual([]);
    await w.supervisor.park();
    await decide('cleo');
    expect([await fork.ended, paid.length]).toEqual([{ kind: 'completed', output: ['paid'] }, 1]);
  });

  test('so a call that was made with it is not made again by a fork', async () => {
    paid.length = 0;
    const w = await bus([payments()], forbidding('@consequence("approval")'));
    const { id, ended } = await w.submit(await w.deploy(PAYER));
    const { call } = await asked(w);
    await w.supervisor.control.decide(id, call, 'ben', 'approve', '');
    await ended;
    const approved = (await w.store.journal(id)).find(({ event }) => event?.kind === 'approval')?.seq ?? 0;
    const fork = await w.supervisor.fork(by(id, approved + 1));
    expect(fork.unknown).toMatchObject([{ call }]);
    await expect(w.supervisor.control.resolve(fork.id, call, 'ann', { how: 'retry' })).rejects.toMatchObject({
      code: 'CORRAL_RUN_STATE',
      message: expect.stringContaining(`approved for ${id}`) as string,
    });
    await w.supervisor.control.resolve(fork.id, call, 'ann', { how: 'fail' });
    expect([outputOf(await fork.ended), paid.length]).toEqual([['CORRAL_UNKNOWN_RESULT'], 1]);
  });
});

test('a fork that its host did not write down to its end does not go on', async () => {
  const folder = await temporary();
  const called: string[] = [];
  const doors = gate();
  const charge = tool(
    'charge',
    (_, { run }) => {
      called.push(run);
      return doors.opened.then(() => 'charged');
    },
    { idempotent: true },
  );
  const before = await world([charge], {
    folder,
    through: (store) =>
      new Proxy(store, {
        get: (target, name) => {
          const value = Reflect.get(target, name, target) as unknown;
          if (name !== 'commit') return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
          // The host ends between the first entry of its parting and the next one.
          return (commit: Parameters<Store['commit']>[0]) =>
            commit.entry.event?.kind === 'unknown' ? Promise.reject(new Error('the host is gone')) : target.commit(commit);
        },
      }),
  });
  const { id } = await before.submit(
    await before.deploy(`{ name: 'buyer', uses: { charge: 'tool:charge' }, run: ({ caps }) => caps.charge({}) }`),
  );
  await before.until(id, (view) => view?.waiting === 'call');
  await expect(before.supervisor.fork({ ...by(id, 2), id: 'run_forked000000' as RunId })).rejects.toThrow('the host is gone');
  await before.close();
  doors.open();
  const after = await world([charge], { folder });
  await after.supervisor.ended(id);
  await expect(after.supervisor.control.resume('run_forked000000' as RunId, 'ana', 'go')).rejects.toMatchObject({
    code: 'CORRAL_JOURNAL_DAMAGED',
    message: expect.stringContaining('fork it again') as string,
  });
  expect(new Set(called)).toEqual(new Set([id]));
});

describe('a call that the origin had under way is nobody else’s to make again', () => {
  const ONCE = `{ name: 'once', uses: { look: 'tool:look' }, run: ({ caps }) => caps.look({}).then((seen) => seen, (error) => error.code) }`;
  const counting = (annotations: Parameters<typeof tool>[2]) => {
    const looked: number[] = [];
    return { looked, tools: [tool('look', () => looked.push(1), annotations)] };
  };
  const retry = (w: World, run: RunId) => w.supervisor.control.resolve(run, 1, 'ann', { how: 'retry' });

  test('though its tool only reads, where people have approved it for the origin', async () => {
    const { looked, tools } = counting({ readOnly: true, idempotent: true });
    const w = await bus(
      tools,
      `${FREE}\n@id("looked-at") @consequence("approval") forbid (principal, action == Action::"tool:look", resource);`,
    );
    const { id, ended } = await w.submit(await w.deploy(ONCE));
    const { call } = await asked(w);
    await w.supervisor.control.decide(id, call, 'ben', 'approve', '');
    await ended;
    const at = ((await w.store.journal(id)).find(({ event }) => event?.kind === 'approval')?.seq ?? 0) + 1;
    for (let i = 0; i < 3; i += 1) {
      const fork = await w.supervisor.fork(by(id, at));
      expect(fork.unknown).toEqual([{ call, tool: 'look' }]);
      await expect(retry(w, fork.id)).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
    }
    expect(looked).toHaveLength(1);
  });

  test('where the policies do not permit it to whoever forks, or have come to ask people about it', async () => {
    const { looked, tools } = counting({ readOnly: true, idempotent: true });
    const permit = (who: string, more = '') =>
      `@id("hers") permit (principal, action, resource) when { context.person == Person::"${who}" };${more}`;
    const w = await bus(tools, permit('alice'));
    const version = await w.deploy(ONCE);
    const { id, ended } = await w.supervisor.submit({ tenant: 'crew' as never, version, input: {}, principal: 'alice' as PrincipalId });
    expect([outputOf(await ended), looked.length]).toEqual([1, 1]);
    const [strange, own] = [await w.supervisor.fork(by(id, 2)), await w.supervisor.fork({ ...by(id, 2), by: 'alice' as PrincipalId })];
    await expect(retry(w, strange.id)).rejects.toMatchObject({
      code: 'CORRAL_RUN_STATE',
      message: expect.stringContaining(`was allowed to ${id}`) as string,
    });
    await retry(w, own.id);
    expect([outputOf(await own.ended), looked.length]).toEqual([2, 2]);
    const late = await w.supervisor.fork({ ...by(id, 2), by: 'alice' as PrincipalId });
    const text = permit('alice', '@id("asks") @consequence("approval") forbid (principal, action, resource);');
    w.supervisor.configure({ crew: { tools, policies: { current: policies(tools, text) } } });
    await expect(retry(w, late.id)).rejects.toMatchObject({ message: expect.stringContaining('asks') as string });
    expect(looked).toHaveLength(2);
  });

  test('nor on a folder, where the host that takes the fork up asks its policies', { tags: 'long' }, async () => {
    const { looked, tools } = counting({ readOnly: true, idempotent: true });
    const f = await folder();
    const at = join(f.data, '..');
    const text = '@id("hers") permit (principal, action, resource) when { context.person == Person::"alice" };';
    const w = await bus(tools, text, at);
    const version = await w.deploy(ONCE);
    const { id, ended } = await w.supervisor.submit({ tenant: 'crew' as never, version, input: {}, principal: 'alice' as PrincipalId });
    await ended;
    await w.close();
    const made = await corral(['fork', id, '--at', '2', '--no-go', '--json', '--data', f.data]);
    const { run } = JSON.parse(made.out) as { run: RunId };
    expect((await corral(['resolve', run, '1', '--retry', '-m', 'again', '--data', f.data])).code).toBe(0);
    const next = await bus(tools, text, at);
    const told = async () => (await next.store.journal(run)).flatMap(({ event }) => (event?.kind === 'unknown' ? [event.message] : []));
    await until(async () => (await told()).length >= 2);
    expect([(await told())[1], looked.length]).toEqual([expect.stringContaining('no policy permits it'), 1]);
  });

  test('and costs a fork what the fork does, within the bounds of whoever forked', async () => {
    const { looked, tools } = counting({ readOnly: false, repeatable: true, costs: { money_micros: 1_000 } });
    const spend = { people: { ann: { day: { calls: 2, money_micros: 6_000 } } } };
    const w = await world(tools, { tenants: { crew: { tools, spend } } });
    const { id, ended } = await w.submit(await w.deploy(ONCE));
    await ended;
    const each = (await w.store.journal(id))[0]?.decisions[0]?.reserved?.money_micros ?? 0;
    expect(each).toBe(3_000);
    const ofAnn = async () => (await w.store.spend({ from: '2000-01-01' })).find(({ kind, name }) => kind === 'person' && name === 'ann');
    const forks = [];
    for (let i = 0; i < 5; i += 1) forks.push(await w.supervisor.fork(by(id, 2)));
    for (const fork of forks) expect(fork.unknown).toEqual([{ call: 1, tool: 'look' }]);
    expect([looked.length, await ofAnn()]).toEqual([1, undefined]);
    const [told, first, second, third] = forks as [Submitted, Submitted, Submitted, Submitted];
    await w.supervisor.control.resolve(told.id, 1, 'ann', { how: 'result', value: 7 });
    expect(outputOf(await told.ended)).toBe(7);
    expect((await ofAnn())?.spent.money_micros ?? 0).toBe(0);
    for (const one of [first, second]) {
      await retry(w, one.id);
      await one.ended;
    }
    expect([looked.length, await ofAnn()]).toMatchObject([
      3,
      { spent: { calls: 2, money_micros: 2_000 }, reserved: { calls: 0, money_micros: 0 } },
    ]);
    await expect(retry(w, third.id)).rejects.toMatchObject({ code: 'CORRAL_SPEND_EXCEEDED' });
    expect(looked).toHaveLength(3);
  });
});
