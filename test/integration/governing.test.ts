/**
 * Governing what runs: policies about messages and child runs, who alone may approve, a candidate beside the policies in force, and
 * policies swapped under load. The real host, real cells.
 */
import { describe, expect, test, vi } from 'vitest';
import * as z from 'zod';
import type { Decision } from '@corral/protocol/model/decision';
import type { RunId } from '@corral/protocol/ids';
import { contractOf } from '@corral/protocol/ports/contract';
import type { Tool } from '@corral/protocol/ports/tool';
import type { PolicySource } from '@corral/supervisor';
import { readingTool, tool, world, type World, openApproval, park } from '../world.ts';
import { policiesOf } from '../policed.ts';
import { agentFile } from '../agents/file.ts';

const FREE = '@id("free") permit (principal, action, resource);';
const TOOLS = [readingTool('mail.read', () => ({ text: 'hello' })), tool('payments.send', () => 'paid')];
const hostile = tool('web.get', () => 'text of a stranger', { readOnly: true, returns: 'untrusted' });

async function govern(text: string, more: Partial<PolicySource> = {}, tools: readonly Tool[] = [...TOOLS, hostile]): Promise<World> {
  const current = policiesOf(tools, text);
  return world(tools, { tenants: { crew: { tools, policies: { current, ...more } } } });
}
const decisionsOf = async (w: World, run: RunId): Promise<Decision[]> => (await w.store.journal(run)).flatMap(({ decisions }) => decisions);

const PAIR = agentFile('family/leads-a-crew');

describe('a message and a child run', () => {
  test('go out where the policies permit them, and what was handed over is written down', async () => {
    const w = await govern(FREE);
    const { id, ended } = await w.submit(await w.deploy(PAIR), { listen: true });
    expect(await ended).toMatchObject({ kind: 'completed', output: { sent: 'sent', end: 5 } });
    expect((await decisionsOf(w, id)).filter(({ action }) => action !== undefined)).toMatchObject([
      { action: 'spawn', agent: 'crew/kid', verdict: 'allow', gives: ['tool:mail.read'], rules: ['free'] },
      { action: 'send', agent: 'crew/kid', verdict: 'allow', rules: ['free'] },
    ]);
  });

  test('are refused where nothing permits them, or one rule forbids them, and the agent is told which', async () => {
    const calls = await govern('@id("calls") permit (principal, action in Action::"call", resource);');
    expect(await calls.run(PAIR)).toMatchObject({ output: { end: 'CORRAL_DENIED' } });
    const quiet = await govern(`${FREE} @id("quiet") forbid (principal, action == Action::"send", resource == Agent::"crew/kid");`);
    const { output } = (await quiet.run(PAIR, { listen: true })) as unknown as { output: { sent: string } };
    expect(output.sent).toMatch(/CORRAL_DENIED: .*crew\/kid.*quiet/);
  });

  test('are judged by what goes along, by the label of who gives it, and by what is moved of the purse', async () => {
    const w = await govern(`${FREE}
      @id("clean-children") forbid (principal, action == Action::"spawn", resource) when { context.flow.untrusted_input && context.given.capabilities > 0 };
      @id("small-purses") forbid (principal, action == Action::"spawn", resource) when { context.given.budget.calls > 10 };
      @id("no-payments") forbid (principal, action in [Action::"send", Action::"spawn"], resource) when { context.given.targets.contains("tool:payments.send") };`);
    const version = await w.deploy(PAIR);
    const rules = async (input: object) => {
      const { id, ended } = await w.submit(version, input);
      const outcome = await ended;
      const spawn = (await decisionsOf(w, id)).find(({ action }) => action === 'spawn');
      return [(outcome as { output?: { end?: unknown } }).output?.end, spawn?.verdict, spawn?.rules];
    };
    expect(await rules({})).toEqual([7, 'allow', ['free']]);
    expect(await rules({ taint: true })).toEqual(['CORRAL_DENIED', 'deny', ['clean-children']]);
    expect(await rules({ calls: 11 })).toEqual(['CORRAL_DENIED', 'deny', ['small-purses']]);
  });

  test('that a rule would have asked people about are refused, and say so; a denial that means pause stops the run', async () => {
    const w = await govern(`${FREE} @id("ask") @consequence("approval") forbid (principal, action == Action::"spawn", resource);`);
    const { id, ended } = await w.submit(await w.deploy(PAIR));
    expect(await ended).toMatchObject({ output: { end: 'CORRAL_DENIED' } });
    expect((await decisionsOf(w, id)).find(({ action }) => action === 'spawn')?.message).toMatch(/ask; nobody is asked/);

    const paused = await govern(`${FREE} @id("stop") @consequence("pause") forbid (principal, action == Action::"spawn", resource);`);
    const run = await paused.submit(await paused.deploy(PAIR));
    await paused.until(run.id, (view) => view?.control === 'paused');
    await paused.supervisor.control.resume(run.id, 'ana', 'seen');
    expect(await run.ended).toMatchObject({ output: { end: 'CORRAL_DENIED' } });
  });
});

describe('an approval that is for somebody', () => {
  const PAYER = `{ name: 'crew/payer', uses: { pay: 'tool:payments.send' }, run: ({ caps }) => caps.pay({}).catch((error) => error.code) }`;
  const asking = (approver: string) =>
    `${FREE} @id("money") @consequence("approval") @approver("${approver}") forbid (principal, action == Action::"tool:payments.send", resource);`;

  test('is decided by the owner of its agent and nobody else, also after a restart of what is known', async () => {
    const w = await govern(asking('owner'), { owner: (agent) => (agent.startsWith('crew') ? 'user:ana' : undefined) });
    const { id, ended } = await w.submit(await w.deploy(PAYER));
    const approval = await openApproval(w);
    expect(approval.approvers).toEqual(['owner']);
    const decide = (by: string, roles: string[] = []) => w.supervisor.control.decide(id, approval.call, by, 'approve', '', roles);
    await expect(decide('user:ben', ['approver', 'admin'])).rejects.toMatchObject({ code: 'CORRAL_APPROVER', message: /user:ana/ });
    await park(w, id);
    await expect(decide('user:ben')).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
    await decide('user:ana');
    expect(await ended).toEqual({ kind: 'completed', output: 'paid' });
  });

  test('is decided by who holds the role it names, or is the person it names', async () => {
    const w = await govern(asking('treasurer'), { roles: (person) => (person === 'user:eva' ? ['treasurer'] : []) });
    const version = await w.deploy(PAYER);
    for (const by of ['user:eva', 'treasurer']) {
      const { id, ended } = await w.submit(version);
      const { call } = await openApproval(w);
      await expect(w.supervisor.control.decide(id, call, 'user:ben', 'deny', '')).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
      await w.supervisor.control.decide(id, call, by, 'approve', '');
      expect(await ended).toEqual({ kind: 'completed', output: 'paid' });
    }
  });

  // Bug owner-and-two: a rule for the owner beside one for two people left a call that nobody could approve, since an agent has one owner.
  test('and for two people is decided by that person and another one, in either order', async () => {
    const two = `@id("two") @consequence("approval") @quorum("2") forbid (principal, action == Action::"tool:payments.send", resource);`;
    for (const [approver, first, second, refused] of [
      ['owner', 'user:ben', 'user:ana', ['user:eva', 'user:ben']],
      ['user:ana', 'user:ana', 'user:ben', ['user:ana']],
    ] as const) {
      const w = await govern(`${asking(approver)} ${two}`, { owner: () => 'user:ana' });
      const { id, ended } = await w.submit(await w.deploy(PAYER));
      const { call } = await openApproval(w);
      const approve = (by: string) => w.supervisor.control.decide(id, call, by, 'approve', '');
      await approve(first);
      // Two others are not enough, and nobody is two people.
      for (const by of refused) await expect(approve(by)).rejects.toMatchObject({ code: 'CORRAL_APPROVER' });
      await approve(second);
      expect(await ended).toEqual({ kind: 'completed', output: 'paid' });
    }
  });

  test('and names an owner where there is none falls to an admin', async () => {
    const w = await govern(asking('owner'));
    const { id, ended } = await w.submit(await w.deploy(PAYER));
    const { call } = await openApproval(w);
    await expect(w.supervisor.control.decide(id, call, 'user:ben', 'approve', '', ['approver'])).rejects.toMatchObject({
      code: 'CORRAL_APPROVER',
    });
    await w.supervisor.control.decide(id, call, 'user:root', 'approve', '', ['admin']);
    expect(await ended).toEqual({ kind: 'completed', output: 'paid' });
  });
});

describe('a candidate beside the policies in force', () => {
  test('decides nothing, and reports each decision that it would have made otherwise', async () => {
    const tools = [...TOOLS, hostile];
    const shadow = policiesOf(
      tools,
      `${FREE} @id("no-pay") forbid (principal, action == Action::"tool:payments.send", resource);
      @id("no-kids") forbid (principal, action == Action::"spawn", resource);`,
    );
    const w = await govern(FREE, { shadow });
    const { id, ended } = await w.submit(await w.deploy(agentFile('family/leads-a-crew-and-pays')));
    expect(await ended).toMatchObject({ kind: 'completed', output: { end: 7 } });
    const [report] = await w.supervisor.tenantPolicies.shadows();
    expect(report).toMatchObject({
      tenant: 'crew',
      candidate: shadow.version,
      decisions: 2,
      differing: 2,
      dropped: 0,
      changes: { 'allow → deny': 2 },
    });
    const told = w.seen.filter((one) => one.kind === 'differs');
    expect(told).toMatchObject([
      { run: id, action: 'call', target: 'payments.send', was: 'allow', would: 'deny', rules: ['free'], would_rules: ['no-pay'] },
      { run: id, action: 'spawn', target: 'crew/kid', would_rules: ['no-kids'] },
    ]);
    const call = (await decisionsOf(w, id)).find(({ tool: name }) => name === 'payments.send');
    expect(told[0]).toMatchObject({ call: call?.id });
  });

  test('keeps of a difference who would have done what, and nothing of what was said', async () => {
    const shadow = policiesOf(
      [...TOOLS, hostile],
      `${FREE} @id("no-pay") forbid (principal, action == Action::"tool:payments.send", resource);`,
    );
    const w = await govern(FREE, { shadow });
    await w.run(`{ name: 'payer', uses: { pay: 'tool:payments.send' }, run: ({ caps }) => caps.pay({ note: 'a secret word' }) }`);
    const reports = await w.supervisor.tenantPolicies.shadows();
    expect(reports).toMatchObject([{ differing: 1, examples: [{ action: { kind: 'call', name: 'payments.send' } }] }]);
    expect(JSON.stringify(reports)).not.toMatch(/secret word/);
  });

  test('begins anew when tools change and texts do not, and what is replaced is closed once no tenant has it', async () => {
    const tools = [...TOOLS, hostile];
    const of = (offered: readonly Tool[]) => ({ current: policiesOf(offered, FREE), shadow: policiesOf(offered, FREE) });
    const [before, after] = [of(tools), of([...tools, tool('mail.send', () => 'sent')])];
    const closed: unknown[] = [];
    for (const one of [before.current, before.shadow, after.current, after.shadow])
      vi.spyOn(one, 'close').mockImplementation(() => void closed.push(one));
    const w = await world(tools, { tenants: { crew: { tools, policies: before }, other: { tools, policies: before } } });
    await w.run(`{ name: 'reader', uses: { read: 'tool:mail.read' }, run: ({ caps }) => caps.read({}) }`);
    const decisions = async () => (await w.supervisor.tenantPolicies.shadows()).map(({ tenant, decisions: n }) => `${tenant} ${n}`);
    expect(await decisions()).toEqual(['crew 1', 'other 0']);
    w.supervisor.configure({ crew: { tools, policies: after }, other: { tools, policies: before } });
    expect(after.shadow.version).toBe(before.shadow.version);
    expect(await decisions()).toEqual(['crew 0', 'other 0']);
    expect(closed).toEqual([]);
    w.supervisor.configure({ crew: { tools, policies: after } });
    expect(closed).toEqual([before.current, before.shadow]);
  });

  test('looks at no more than it has room for, and says how much it left out', { tags: 'long' }, async () => {
    const shadow = policiesOf([...TOOLS, hostile], FREE);
    const w = await govern(FREE, { shadow });
    const outcome = await w.run(
      `{ name: 'many', uses: { read: 'tool:mail.read' }, ceilings: { in_flight: 2000, effects: 100000 }, run: async ({ caps }) =>
        (await Promise.all(Array.from({ length: 1500 }, () => caps.read({})))).length }`,
      {},
      { budget: { calls: 2000 } },
    );
    expect(outcome).toMatchObject({ kind: 'completed', output: 1500 });
    const [report] = await w.supervisor.tenantPolicies.shadows();
    expect((report?.decisions ?? 0) + (report?.dropped ?? 0)).toBe(1500);
    expect(report?.dropped).toBeGreaterThan(0);
    expect(report?.differing).toBe(0);
  });
});

test('policies that are swapped under load drop no call: each is decided by one of the two, whole', async () => {
  const tools = [...TOOLS, hostile];
  const [one, two] = [policiesOf(tools, FREE.replace('free', 'one')), policiesOf(tools, FREE.replace('free', 'two'))];
  let current = one;
  const source: PolicySource = {
    get current() {
      return current;
    },
  };
  const w = await world(tools, { tenants: { crew: { tools, policies: source } } });
  const version = await w.deploy(`{ name: 'busy', uses: { read: 'tool:mail.read' }, async run({ caps }) {
    let answered = 0;
    for (let i = 0; i < 12; i++) answered += (await Promise.all([caps.read({}), caps.read({}), caps.read({})])).length;
    return answered;
  } }`);
  const runs = await Promise.all(Array.from({ length: 4 }, () => w.submit(version)));
  let swapping = true;
  let swaps = 0;
  const swap = (async () => {
    while (swapping) {
      current = current === one ? two : one;
      swaps += 1;
      // As a host does it that was given a new configuration.
      w.supervisor.configure({ crew: { tools, policies: source } });
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const ends = await Promise.all(runs.map(({ ended }) => ended));
  swapping = false;
  await swap;
  expect(ends).toEqual(runs.map(() => ({ kind: 'completed', output: 36 })));
  const decided = (await Promise.all(runs.map(({ id }) => decisionsOf(w, id)))).flat();
  expect(decided).toHaveLength(4 * 36);
  for (const { policy, rules } of decided)
    expect([
      [one.version, 'one'],
      [two.version, 'two'],
    ]).toContainEqual([policy, rules?.[0]]);
  expect(new Set(decided.map(({ policy }) => policy)).size).toBe(2);
  expect(swaps).toBeGreaterThan(2);
});

test('a call with wrong arguments says in its decision which tool it was for', async () => {
  const w = await world(
    [tool('a.b', () => 1, {})].map((one) => ({
      ...one,
      input: contractOf(z.strictObject({ n: z.number() })),
      invoke: one.invoke.bind(one),
    })),
  );
  const { id, ended } = await w.submit(
    await w.deploy(`{ name: 'x', uses: { a: 'tool:a.b' }, run: ({ caps }) => caps.a({ n: 'one' }).catch((error) => error.code) }`),
  );
  expect(await ended).toMatchObject({ output: 'CORRAL_ARGS_INVALID' });
  expect(await decisionsOf(w, id)).toMatchObject([{ verdict: 'deny', code: 'CORRAL_ARGS_INVALID', tool: 'a.b' }]);
});
