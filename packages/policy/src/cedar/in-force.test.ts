import { createHash } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { subjectOf } from './catalog.ts';
import { QUIET, testPolicies, formatCases, PolicyCases } from './cases.ts';
import { backtest, formatComparison, PolicyShadow } from './compare.ts';
import type { CedarEngine } from './engine.ts';
import { explain, formatExplained } from './explain.ts';
import { ANA, cedar, load, pay } from './fixtures/host.ts';
import type { Alarm } from './shadow.ts';
import { approved, rulesOf } from './verdict.ts';

const PERMIT = '@id("all") permit (principal, action, resource);';
const forbid = (id: string, consequence: string | undefined, when: string) =>
  `@id("${id}") ${consequence === undefined ? '' : `@consequence("${consequence}")`} forbid (principal, action == Action::"tool:payments.send", resource) when { ${when} };`;
const small = { to: 'bob', amount: 5 };

describe('a verdict', () => {
  test('allows what a permit matches and no forbid does, and names the permit', () => {
    expect(load(PERMIT).decide(pay(small))).toMatchObject({ decision: 'allow', reasons: [{ policy: 'all' }], errors: [] });
  });

  test('denies what nothing permits', () => {
    expect(load('').decide(pay(small))).toMatchObject({ decision: 'deny', consequence: 'deny', reasons: [] });
  });

  test.each([
    [['approval'], 'approval', { rules: ['f0'] }],
    [['approval', undefined], 'deny', { rules: ['f1', 'f0'], also: ['f0'] }],
    [['approval', 'pause'], 'pause', { rules: ['f1', 'f0'], also: ['f0'] }],
    [['pause', 'quarantine', 'approval', undefined], 'quarantine', { rules: ['f1', 'f0', 'f2', 'f3'], also: ['f0', 'f2', 'f3'] }],
    [['approval', undefined, undefined], 'deny', { rules: ['f1', 'f2', 'f0'], also: ['f0'] }],
  ])('of forbids that mean %j is the most severe, and names those that decided first', (consequences, worst, named) => {
    const text = consequences.map((one, i) => forbid(`f${i}`, one, 'context.args.amount.greaterThan(decimal("1.0"))')).join('\n');
    const verdict = load(PERMIT + text).decide(pay(small));
    expect(verdict).toMatchObject({ decision: 'deny', consequence: worst });
    expect(rulesOf(verdict)).toEqual(named);
  });

  test('approval is not offered for what nothing permits', () => {
    expect(load(forbid('f', 'approval', 'true')).decide(pay(small)).consequence).toBe('deny');
  });

  test('asks for the largest quorum of those that apply, and approval lifts nothing but approval', () => {
    const text = `${PERMIT} @quorum("3") ${forbid('a', 'approval', 'true')} ${forbid('b', 'approval', 'true')}`;
    const verdict = load(text).decide(pay(small));
    expect(verdict).toMatchObject({ consequence: 'approval', quorum: 3 });
    expect(approved(verdict).decision).toBe('allow');
    expect(approved(load(PERMIT + forbid('p', 'pause', 'true')).decide(pay(small))).decision).toBe('deny');
  });

  test('an evaluation error denies, where Cedar alone would have skipped the forbid and allowed', () => {
    const text = `${PERMIT} ${forbid('overflow', 'approval', 'context.run.calls * 9007199254740991 * 9007199254740991 > 0')}`;
    const context = { ...QUIET, run: { ...QUIET.run, calls: 2 } };
    const verdict = load(text).decide(pay(small, { context }));
    expect(verdict).toMatchObject({ decision: 'deny', consequence: 'deny', errors: [{ policy: 'overflow', message: 'integer overflow' }] });
  });

  test.each([
    ['a fact that is missing', { context: { ...QUIET, flow: undefined } as never }, /has no flow/],
    ['a fact of the wrong type', { context: { ...QUIET, run: { ...QUIET.run, calls: 'none' } } as never }, /calls is not a whole number/],
    ['an argument that is missing', { args: { to: 'bob' } }, /has no amount/],
    ['an argument of the wrong type', { args: { to: 'bob', amount: '5' } }, /amount is not a number/],
    ['an amount no policy can compare', { args: { to: 'bob', amount: 1e300 } }, /amount/],
    ['arguments that are none', { args: 7 }, /not a record/],
    ['a tool that the host does not have', { action: { kind: 'call', target: 'tool', name: 'rm' } as const }, /know nothing of tool:rm/],
  ])('%s denies, with the reason and without the value', (_, more, message) => {
    const verdict = load(PERMIT).decide(pay(small, more));
    expect(verdict).toMatchObject({ decision: 'deny', consequence: 'deny', errors: [{ message: expect.stringMatching(message) }] });
  });

  test('null is an absent argument, numbers are decimals, lists are sets, and what has no type is not seen', () => {
    const text = `${PERMIT}
      ${forbid('memo', undefined, 'context.args has memo && context.args.memo == "x"')}
      ${forbid('tags', undefined, 'context.args has tags && context.args.tags.contains("bad")')}
      ${forbid('much', undefined, 'context.args.amount.greaterThan(decimal("12.5"))')}`;
    const policy = load(text);
    const reasons = (args: object) => policy.decide(pay({ ...small, ...args })).reasons.map(({ policy }) => policy);
    expect(reasons({ memo: null, tags: ['ok'], amount: 12.5, extra: { deep: [1, 'x'] } })).toEqual(['all']);
    expect(reasons({ memo: 'x', tags: ['ok', 'bad'], amount: 12.51 })).toEqual(['memo', 'tags', 'much']);
  });

  test('knows people by their roles, owner and tenant', () => {
    const policy = load(`@id("buyers") permit (principal in Tenant::"acme", action, resource) when { context.person in Role::"buyer" };
      @id("own") forbid (principal, action, resource) when { principal has owner && principal.owner == context.person };`);
    expect(policy.decide(pay(small)).decision).toBe('allow');
    const as = (more: object) => policy.decide(pay(small, { subject: subjectOf({ ...ANA, ...more }) })).decision;
    expect([as({ roles: ['intern'] }), as({ owner: 'user:ana' }), as({ tenant: 'other' })]).toEqual(['deny', 'deny', 'deny']);
  });

  test('sends and spawns go to agents', () => {
    const policy = load(`permit (principal, action == Action::"spawn", resource == Agent::"reader") when { context.run.depth < 2 };`);
    const given = { capabilities: [], budget: QUIET.budget };
    const decide = (kind: 'send' | 'spawn', agent: string) =>
      policy.decide({ subject: ANA, action: { kind, agent }, given, context: QUIET }).decision;
    expect([decide('spawn', 'reader'), decide('spawn', 'other'), decide('send', 'reader')]).toEqual(['allow', 'deny', 'deny']);
  });
});

describe('compiled policies', () => {
  test('leave out what is about other tools and people', () => {
    const others = Array.from(
      { length: 200 },
      (_, i) => `forbid (principal in Agent::"other${i}", action, resource) when { context.run.calls > ${i} };`,
    );
    expect(load(PERMIT + others.join('\n')).residualSize(ANA, pay(small).action)).toBe(1);
  });

  test('a literal that closures cannot hold is left to the engine', () => {
    const policy = load(`${PERMIT} ${forbid('big', undefined, 'context.run.calls == 9223372036854775807')}`);
    expect(policy.decide(pay(small)).decision).toBe('allow');
    expect(policy.residualSize(ANA, pay(small).action)).toBe(2);
  });

  test('that are left to the engine decide about answers as closures do: a rule that names no action is not about them', () => {
    const big = `@id("big") forbid (principal, action == Action::"answer", resource) when { context.call.bytes == 9223372036854775807 };`;
    const policy = load(`@id("calls") forbid (principal, action, resource); ${big}`);
    const answer = { ...pay(small), action: { kind: 'answer', target: 'tool', name: 'payments.send' } as const };
    expect(policy.decide(answer)).toMatchObject({ decision: 'allow', errors: [] });
    expect(policy.decide(pay(small))).toMatchObject({ decision: 'deny', reasons: [{ policy: 'calls' }] });
    expect(policy.mode).toBe('closures');
  });

  test('are kept for so many subjects, and made again for one that was forgotten', () => {
    const policy = load(PERMIT, { cached: 2 });
    for (let i = 0; i < 10; i++) {
      const subject = subjectOf({ ...ANA, person: `user:${i % 5}` });
      expect(policy.decide(pay(small, { subject })).decision).toBe('allow');
    }
  });
});

describe('the sampled shadow', () => {
  test('denies, alarms and switches closures off when the engine disagrees', () => {
    const alarm = vi.fn<(alarm: Alarm) => void>();
    let lying = false;
    const engine: CedarEngine = {
      ...cedar,
      statefulIsAuthorized(call) {
        const answer = cedar.statefulIsAuthorized(call);
        return lying && answer.type === 'success'
          ? { ...answer, response: { decision: 'deny', diagnostics: { reason: [], errors: [] } } }
          : answer;
      },
    };
    const policy = load(PERMIT, { engine, alarm });
    expect(policy.decide(pay(small)).decision).toBe('allow');
    lying = true;
    expect(policy.decide(pay(small))).toMatchObject({ decision: 'deny', errors: [{ message: expect.stringContaining('disagree') }] });
    expect(alarm).toHaveBeenCalledOnce();
    expect(policy.mode).toBe('engine');
    lying = false;
    expect(policy.decide(pay(small)).decision).toBe('allow');
    expect(alarm).toHaveBeenCalledOnce();
  });

  test('an engine that cannot answer denies', () => {
    const engine: CedarEngine = { ...cedar, statefulIsAuthorized: () => ({ type: 'failure', errors: [], warnings: [] }) };
    expect(load(PERMIT, { engine }).decide(pay(small))).toMatchObject({ decision: 'deny', consequence: 'deny' });
  });

  test('looks at one decision in as many as it was told', () => {
    const statefulIsAuthorized = vi.fn<CedarEngine['statefulIsAuthorized']>(cedar.statefulIsAuthorized);
    const policy = load(PERMIT, { engine: { ...cedar, statefulIsAuthorized }, sample_every: 10 });
    for (let i = 0; i < 30; i++) policy.decide(pay(small));
    expect(statefulIsAuthorized).toHaveBeenCalledTimes(3);
  });
});

describe('the version', () => {
  test('is of what the policies say: not of spacing, comments or order of named policies', () => {
    const b = forbid('b', undefined, 'context.run.depth > 1');
    const digest = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
    const { version } = load(`${PERMIT}\n${b}`, { digest });
    expect(version).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(load(`// said otherwise\n${b.replace('>', '\n>')} ${PERMIT}`, { digest }).version).toBe(version);
    expect(load(`${PERMIT}\n${b.replace('> 1', '> 2')}`, { digest }).version).not.toBe(version);
  });

  test('that is no longer in force goes on deciding what still holds it, once it has let go of its engine', () => {
    const held = load(PERMIT);
    expect(held.decide(pay(small)).decision).toBe('allow');
    held.close();
    expect(held.decide(pay(small)).decision).toBe('allow');
  });
});

describe('people who write policies', () => {
  const text = `${PERMIT} @description("Large payments need the owner") ${forbid('large', 'approval', 'context.args.amount.greaterThan(decimal("100.0"))')}`;
  const cases = PolicyCases.parse([
    { name: 'a small payment passes', action: 'tool:payments.send', args: small, expect: { decision: 'allow' } },
    {
      name: 'a large one needs approval',
      action: 'tool:payments.send',
      args: { to: 'bob', amount: 500 },
      expect: { decision: 'deny', consequence: 'approval', reasons: ['large'] },
    },
    {
      name: 'a stranger may not',
      action: 'tool:payments.send',
      args: small,
      context: { flow: { untrusted_input: true } },
      expect: { decision: 'deny' },
    },
  ]);

  test('try them on cases, and are told why a case fails', () => {
    const results = testPolicies(load(text), cases);
    expect(results.map(({ passed }) => passed)).toEqual([true, true, false]);
    expect(results[2]?.faults).toEqual(['expected deny, got allow']);
    expect(formatCases(results)).toMatch(/ok {4}a small payment passes[^]*FAIL {2}a stranger may not[^]*2 of 3 cases passed$/);
  });

  test('ask why, and see every policy that had a say', () => {
    const explained = explain(load(text), pay({ to: 'bob', amount: 500 }));
    expect(explained.policies.map(({ policy, result, line }) => [policy, result, line])).toEqual([
      ['large', 'applies', 1],
      ['all', 'applies', 1],
    ]);
    expect(formatExplained(explained)).toMatch(/^deny \(approval\)\n {2}large forbids — Large payments need the owner \(host\.cedar:1\)/);
    expect(formatExplained(explain(load(text), pay({})))).toMatch(/^deny\n {2}the arguments has no to/);
  });

  test('see what a candidate would change, on live requests and on recorded ones', () => {
    const [inForce, candidate] = [load(PERMIT), load(text)];
    const recorded = [5, 50, 500, 5_000].map((amount, i) => ({ origin: `run_x crank ${i}`, request: pay({ to: 'bob', amount }) }));
    const report = backtest(inForce, candidate, recorded);
    expect(report).toMatchObject({ decisions: 4, differing: 2, changes: { 'allow → deny (approval)': 2 } });
    expect(formatComparison(report)).toMatch(/2 of 4 decisions would differ[^]*run_x crank 2: tool:payments\.send by crew for user:ana/);
    const shadow = new PolicyShadow(inForce.version, candidate);
    expect(shadow.observe('run_y crank 0', pay(small), inForce.decide(pay(small)))).toBeUndefined();
    expect(shadow.report()).toMatchObject({ decisions: 1, differing: 0, candidate: candidate.version });
  });
});
