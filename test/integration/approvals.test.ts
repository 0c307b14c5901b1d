/** Calls that wait for people: who may say what to them, how often, until when. The real host, the real default pack. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { CorralError } from '@corral/protocol/errors';
import { MACHINE } from '@corral/protocol/limits';
import type { Commit, Store } from '@corral/protocol/ports/store';
import { realClock } from '@corral/supervisor';
import { until } from '../until.ts';
import { gate, keepingBack, world } from '../world.ts';
import { paid, payments, policies, SEASONED, bus, asked, outputOf, FREE, forbidding, PAYER } from './payments.ts';
import { agentFile } from '../agents/file.ts';

/** The real clock, which a test may put forward; whatever was set for later than an hour waits for that alone. */
function clockForward() {
  let ahead = 0;
  const later = new Map<() => void, number>();
  const now = () => realClock.now() + ahead;
  return {
    clock: {
      now,
      monotonic: () => realClock.monotonic() + ahead,
      after(ms: number, then: () => void) {
        if (ms < 3_600_000) return realClock.after(ms, then);
        later.set(then, now() + ms);
        return () => void later.delete(then);
      },
    },
    forward: (ms: number) => {
      ahead += ms;
      for (const [then, due] of later) if (due <= now() && later.delete(then)) then();
    },
  };
}

/** A world in which people are asked about each payment, with a clock that the test puts forward. */
async function asking() {
  paid.length = 0;
  const { clock, forward } = clockForward();
  const tools = [payments()];
  const current = policies(tools, forbidding('@consequence("approval")'));
  return { w: await world(tools, { clock, tenants: { crew: { tools, policies: { current } } } }), forward };
}

describe('an approval', () => {
  test('that nobody gives in a day is a refusal, and its agent is told', async () => {
    const { w, forward } = await asking();
    const { id, ended } = await w.submit(await w.deploy(PAYER), {}, { ceilings: { wall_ms: 7 * 86_400_000 } });
    const { call, expires_at, since } = await asked(w);
    expect(expires_at - since).toBeGreaterThanOrEqual(86_400_000);
    forward(expires_at - since);
    expect(await ended).toEqual({ kind: 'completed', output: ['CORRAL_APPROVAL_EXPIRED'] });
    await expect(w.supervisor.control.decide(id, call, 'owner', 'approve', '')).rejects.toMatchObject({ code: 'CORRAL_RUN_UNKNOWN' });
    expect(paid).toEqual([]);
  });

  test('by one person counts sixty times an hour and not once more, while others may still approve and everybody deny', async () => {
    const { w, forward } = await asking();
    const { id, ended } = await w.submit(await w.deploy(PAYER), { times: 64 }, { ceilings: { wall_ms: 7 * 86_400_000 } });
    await asked(w);
    const calls = (await w.supervisor.approvals()).map(({ call }) => call);
    expect(calls).toHaveLength(64);
    for (const call of calls.slice(0, 60)) await w.supervisor.control.decide(id, call, 'owner', 'approve', '');
    const [first, second, third, fourth] = calls.slice(60) as [number, number, number, number];
    await expect(w.supervisor.control.decide(id, first, 'owner', 'approve', '')).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
    await w.supervisor.control.decide(id, second, 'deputy', 'approve', '');
    await w.supervisor.control.decide(id, fourth, 'owner', 'deny', '');
    // Anything under way when the clock jumps counts as an hour old, so nothing may be.
    await w.until(id, (view) => paid.length === 61 && view?.open_calls === 0 && !view.on_cpu && !view.runnable);
    forward(3_600_001);
    await w.supervisor.control.decide(id, first, 'owner', 'approve', '');
    await w.supervisor.control.decide(id, third, 'owner', 'deny', '');
    const said = outputOf(await ended) as string[];
    expect(said.filter((one) => one === 'paid')).toHaveLength(62);
    expect(paid).toHaveLength(62);
  });

  test('that needs two people is not given by one of them twice, and either may refuse', async () => {
    paid.length = 0;
    const w = await bus([payments()], forbidding('@consequence("approval") @quorum("2")'));
    const version = await w.deploy(PAYER);
    const { id, ended } = await w.submit(version);
    const { call, quorum } = await asked(w);
    expect(quorum).toBe(2);
    await w.supervisor.control.decide(id, call, 'ana', 'approve', '');
    await expect(w.supervisor.control.decide(id, call, 'ana', 'approve', '')).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
    expect([await w.supervisor.approvals(), paid]).toMatchObject([[{ approved_by: ['ana'] }], []]);
    await w.supervisor.control.decide(id, call, 'ben', 'approve', '');
    expect(await ended).toEqual({ kind: 'completed', output: ['paid'] });
    const again = await w.submit(version);
    const { call: other } = await asked(w);
    await w.supervisor.control.decide(again.id, other, 'ana', 'approve', '');
    await w.supervisor.control.decide(again.id, other, 'ben', 'deny', 'on second thoughts');
    expect(await again.ended).toEqual({ kind: 'completed', output: ['CORRAL_APPROVAL_DENIED'] });
    expect(paid).toHaveLength(1);
  });

  test('is judged by the policies in force when it is given, not by those it was asked under', async () => {
    paid.length = 0;
    const tools = [payments()];
    const source = { current: policies(tools, forbidding('@consequence("approval")')) };
    const w = await world(tools, { tenants: { crew: { tools, policies: source } } });
    const version = await w.deploy(PAYER);
    const refused = await w.submit(version);
    const { call } = await asked(w);
    source.current = policies(tools, forbidding('@consequence("deny")'));
    await expect(w.supervisor.control.decide(refused.id, call, 'owner', 'approve', '')).rejects.toThrow(/looked-at/);
    expect([await refused.ended, paid]).toEqual([{ kind: 'completed', output: ['CORRAL_APPROVAL_DENIED'] }, []]);
    source.current = policies(tools, forbidding('@consequence("approval")'));
    const kept = await w.submit(version);
    const { call: other } = await asked(w);
    source.current = policies(tools, FREE);
    await w.supervisor.control.decide(kept.id, other, 'owner', 'approve', '');
    expect([await kept.ended, paid]).toEqual([{ kind: 'completed', output: ['paid'] }, [{ to: 'a', amount: 1 }]]);
  });
});

describe('a call whose approval is being written', () => {
  const written = async () => {
    paid.length = 0;
    const tools = [payments()];
    const policed = { policies: { current: policies(tools, forbidding('@consequence("approval")')) } };
    const mayBeWritten = gate();
    const isWritten = gate();
    const isApproval = ({ entry }: Commit) => {
      if (entry.event?.kind !== 'approval') return false;
      isWritten.open();
      return true;
    };
    const through = (store: Store) => keepingBack(store, isApproval, mayBeWritten.opened);
    const w = await world(tools, { through, tenants: { crew: { tools, ...policed } } });
    // Before the host closes, which waits for what is kept back.
    onTestFinished(mayBeWritten.open);
    const { id, ended } = await w.submit(await w.deploy(PAYER));
    const { call } = await asked(w);
    const approved = w.supervisor.control.decide(id, call, 'owner', 'approve', '');
    await isWritten.opened;
    return { w, id, ended, approved, policed, finish: mayBeWritten.open };
  };

  test('is answered as one whose tool is gone, if the configuration takes that away meanwhile', async () => {
    const { w, ended, approved, policed, finish } = await written();
    w.supervisor.configure({ crew: { tools: [], ...policed } });
    finish();
    await approved;
    expect([await ended, paid]).toEqual([{ kind: 'completed', output: ['CORRAL_CAP_UNKNOWN'] }, []]);
  });

  test('is answered as one under quarantine, if its tool is put there meanwhile', async () => {
    const { w, ended, approved, finish } = await written();
    await w.supervisor.stops.quarantine('tool', 'crew/payments.send', 'ana', 'odd', { tenant: 'crew' });
    finish();
    await approved;
    expect([await ended, paid]).toEqual([{ kind: 'completed', output: ['CORRAL_QUARANTINED'] }, []]);
  });

  test('is answered as one with wrong arguments, if its tool takes others meanwhile', async () => {
    const { w, ended, approved, policed, finish } = await written();
    const input = { ...payments().input, check: () => ({ ok: false as const, where: 'to', message: 'is a number now' }) };
    w.supervisor.configure({ crew: { tools: [{ ...payments(), input }], ...policed } });
    finish();
    await approved;
    expect([await ended, paid]).toEqual([{ kind: 'completed', output: ['CORRAL_ARGS_INVALID'] }, []]);
  });
});

describe('whoever submitted the first of a child’s ancestors', () => {
  const FAMILY = agentFile('family/payer-by-child');

  test('does not decide about what it may do', async () => {
    paid.length = 0;
    const w = await bus([payments()]);
    const { ended } = await w.submit(await w.deploy(FAMILY), { to: 'DE1', amount: 5000 });
    const { run, call } = await asked(w);
    await expect(w.supervisor.control.decide(run, call, 'test', 'approve', '')).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
    await w.supervisor.control.decide(run, call, 'owner', 'approve', 'known supplier');
    expect(await ended).toEqual({ kind: 'completed', output: 'paid' });
    expect(paid).toHaveLength(1);
  });

  test('is who the policies know it by', async () => {
    paid.length = 0;
    const tools = [payments()];
    const current = policies(
      tools,
      `${SEASONED}\n@id("interns") forbid (principal, action in Action::"call", resource) when { context.person in Role::"intern" };`,
    );
    const roles = (principal: string) => (principal === 'test' ? ['intern'] : []);
    const w = await world(tools, { tenants: { crew: { tools, policies: { current, roles } } } });
    expect(await w.run(FAMILY, { to: 'DE1', amount: 5 })).toEqual({
      kind: 'completed',
      output: 'CORRAL_DENIED',
    });
    expect(paid).toEqual([]);
  });
});

test('an approval does not hold once the policies ask for somebody else', async () => {
  paid.length = 0;
  const tools = [payments()];
  const rule = (who: string) =>
    `permit (principal, action, resource); @id("all") @consequence("approval") @approver("${who}") forbid (principal, action in Action::"call", resource);`;
  const source = { current: policies(tools, rule('support')), roles: () => [] };
  const w = await world(tools, { tenants: { crew: { tools, policies: source } } });
  const { id, ended } = await w.submit(await w.deploy(PAYER), { to: 'DE1', amount: 5 });
  const { call } = await asked(w);
  source.current = policies(tools, rule('cfo'));
  await expect(w.supervisor.control.decide(id, call, 'support', 'approve', '')).rejects.toMatchObject({ code: 'CORRAL_RUN_STATE' });
  expect(await ended).toEqual({ kind: 'completed', output: ['CORRAL_APPROVAL_DENIED'] });
  expect(paid).toEqual([]);
});

// Bug counted-twice: an approval that had to be recorded again, because another node had spent meanwhile, counted as two.
test('an approval that is recorded at the second attempt counts once towards those of an hour', async () => {
  const tools = [payments()];
  const refused = new Set<number>();
  const through = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const own = Reflect.get(target, name) as unknown;
        if (name !== 'commit') return typeof own === 'function' ? own.bind(target) : own;
        return (commit: Commit) => {
          const { event } = commit.entry;
          if (event?.kind !== 'approval' || refused.has(event.id)) return target.commit(commit);
          refused.add(event.id);
          return Promise.resolve().then(() => {
            throw new CorralError('CORRAL_SPENT_ELSEWHERE', 'Another node has spent.');
          });
        };
      },
    });
  const current = policies(tools, forbidding('@consequence("approval")'));
  const w = await world(tools, { through, tenants: { crew: { tools, policies: { current } } } });
  const times = MACHINE.approvals_per_hour.default / 2 + 1;
  const { id, ended } = await w.submit(await w.deploy(PAYER), { times });
  await until(async () => (await w.supervisor.approvals({ run: id })).length === times);
  for (const { call } of await w.supervisor.approvals({ run: id })) await w.supervisor.control.decide(id, call, 'ann', 'approve', 'fine');
  expect(outputOf(await ended)).toEqual(Array.from({ length: times }, () => 'paid'));
  expect(refused.size).toBe(times);
});
