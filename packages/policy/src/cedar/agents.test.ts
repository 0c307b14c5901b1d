import { describe, expect, test, vi } from 'vitest';
import { QUIET, PolicyCases, testPolicies } from './cases.ts';
import type { Given } from './catalog.ts';
import { checkPolicies } from './check.ts';
import type { CedarEngine } from './engine.ts';
import { ANA, cedar, HOST, load, pay } from './fixtures/host.ts';
import type { Alarm } from './shadow.ts';

const PERMIT = '@id("all") permit (principal, action, resource);';
const NOTHING: Given = { capabilities: [], budget: { cpu_ms: 0, calls: 0, messages: 0, bytes: 0, children: 0, tokens: 0, money: 0 } };
const warnings = (text: string) => checkPolicies(cedar, HOST, [{ file: 'p.cedar', text }]).problems;

describe('policies about messages and child runs', () => {
  test('are checked like any: what is given has types, and a message moves no purse', () => {
    expect(warnings(`${PERMIT} forbid (principal, action == Action::"spawn", resource) when { context.given.budget.calls > 5 };`)).toEqual(
      [],
    );
    const [wrong] = warnings(`forbid (principal, action == Action::"send", resource) when { context.given.budget.calls > 5 };`);
    expect(wrong).toMatchObject({ severity: 'error', kind: 'unknown_attribute' });
    expect(warnings(`forbid (principal, action == Action::"spawn", resource) when { context.args.x == 1 };`)[0]).toMatchObject({
      severity: 'error',
    });
  });

  test('that ask for approval are warned about, since nobody would be asked; those about calls are not', () => {
    const rule = (head: string) => `${PERMIT} @id("f") @consequence("approval") forbid (${head}) when { context.flow.untrusted_input };`;
    for (const head of [
      'principal, action == Action::"send", resource',
      'principal, action in [Action::"call", Action::"spawn"], resource',
      'principal, action, resource',
    ])
      expect(warnings(rule(head))).toMatchObject([{ severity: 'warning', kind: 'annotation', policy: 'f' }]);
    expect(warnings(rule('principal, action in Action::"call", resource'))).toEqual([]);
    expect(warnings(rule('principal, action, resource is Tool'))).toEqual([]);
  });

  test('are tried on cases that state what goes along', () => {
    const policy = load(`${PERMIT} @id("few") forbid (principal, action == Action::"spawn", resource)
      when { context.given.capabilities > 1 || context.given.targets.contains("tool:payments.send") || context.given.budget.calls > 10 };`);
    const at = (given: unknown, decision: string) => ({ name: 'x', action: 'spawn:reader', given, expect: { decision } });
    const cases = PolicyCases.parse([
      { name: 'nothing stated', action: 'spawn:reader', expect: { decision: 'allow' } },
      { name: 'a message', action: 'send:reader', given: { capabilities: ['tool:a', 'tool:b'] }, expect: { decision: 'allow' } },
      at({ capabilities: ['tool:fs.read'] }, 'allow'),
      at({ capabilities: ['tool:payments.send'] }, 'deny'),
      at({ capabilities: ['tool:a', 'tool:b'] }, 'deny'),
      at({ budget: { calls: 11 } }, 'deny'),
    ]);
    expect(testPolicies(policy, cases).filter(({ passed }) => !passed)).toEqual([]);
  });

  test('gather nothing where no rule that is left looks at a fact, and give the same verdict', () => {
    const policy = load(`${PERMIT} forbid (principal, action == Action::"spawn", resource) when { context.run.depth > 3 };`, {
      sample_every: 0,
    });
    const gather = vi.fn<() => { given: Given; context: typeof QUIET }>(() => ({ given: NOTHING, context: QUIET }));
    expect(policy.decideBy(ANA, { kind: 'send', agent: 'a' }, gather)).toMatchObject({ decision: 'allow', reasons: [{ policy: 'all' }] });
    expect(gather).not.toHaveBeenCalled();
    expect(policy.decideBy(ANA, { kind: 'spawn', agent: 'a' }, gather)).toMatchObject({ decision: 'allow' });
    expect(gather).toHaveBeenCalledTimes(1);
    expect(load('', { sample_every: 0 }).decideBy(ANA, { kind: 'send', agent: 'a' }, gather)).toMatchObject({ decision: 'deny' });
    expect(gather).toHaveBeenCalledTimes(1);
  });

  test('deny what does not say what goes along', () => {
    expect(load(PERMIT).decide({ subject: ANA, action: { kind: 'spawn', agent: 'a' }, context: QUIET })).toMatchObject({
      decision: 'deny',
      errors: [{ message: expect.stringMatching(/what is given/) as string }],
    });
  });
});

describe('a comparison that is made later', () => {
  const lying = (): CedarEngine => ({
    ...cedar,
    statefulIsAuthorized: () => ({
      type: 'success',
      response: { decision: 'deny', diagnostics: { reason: [], errors: [] } },
      warnings: [],
    }),
  });
  const paying = pay({ to: 'bob', amount: 5 });
  const small = { ...paying, context: { ...paying.context, flow: { ...paying.context.flow, effect: 'none' } } } as const;

  test('waits for nothing that changes something: there a mismatch is a denial at once, whoever can be told of it', () => {
    const policy = load(PERMIT, {
      engine: lying(),
      sample_every: 1,
      later: () => undefined,
      alarm: () => {
        throw new Error('nobody listens');
      },
    });
    expect([policy.decide(paying).decision, policy.mode]).toEqual(['deny', 'engine']);
  });

  test('holds no read up; a mismatch alarms once, and from then on the engine decides', () => {
    const work: (() => void)[] = [];
    const alarms: Alarm[] = [];
    const policy = load(PERMIT, {
      engine: lying(),
      sample_every: 1,
      later: (one) => void work.push(one),
      alarm: (one) => void alarms.push(one),
    });
    expect([policy.decide(small).decision, policy.decide(small).decision, policy.mode]).toEqual(['allow', 'allow', 'closures']);
    for (const one of work) one();
    expect(alarms).toHaveLength(1);
    expect([policy.mode, policy.decide(small).decision]).toEqual(['engine', 'deny']);
  });

  test('that the engine cannot make is a mismatch too', () => {
    const work: (() => void)[] = [];
    const alarms: Alarm[] = [];
    const broken: CedarEngine = {
      ...cedar,
      statefulIsAuthorized: () => {
        throw new Error('gone');
      },
    };
    const policy = load(PERMIT, {
      engine: broken,
      sample_every: 1,
      later: (one) => void work.push(one),
      alarm: (one) => void alarms.push(one),
    });
    expect(policy.decide(small).decision).toBe('allow');
    for (const one of work) one();
    expect(alarms).toMatchObject([{ engine: undefined }]);
    expect(policy.decide(small).decision).toBe('deny');
  });
});

test('policies of which none permits anything are warned about, also where there is none at all', () => {
  const denied = {
    severity: 'warning',
    file: 'p.cedar',
    line: 1,
    message: expect.stringContaining('every call, message and child run is denied') as string,
  };
  expect(warnings('forbid (principal, action, resource is Tool) when { context.flow.untrusted_input };')).toMatchObject([denied]);
  expect(warnings('// nothing yet')).toMatchObject([denied]);
  expect(warnings(PERMIT)).toEqual([]);
});
