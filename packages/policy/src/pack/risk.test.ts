import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ASKS_MODEL } from '@corral/protocol/ports/tool';
import { QUIET } from '../cedar/cases.ts';
import { catalog } from '../cedar/catalog.ts';
import { ANA, cedar } from '../cedar/fixtures/host.ts';
import { PolicyInForce } from '../cedar/in-force.ts';
import type { Verdict } from '../cedar/verdict.ts';
import { isRiskOf, RISK_ANSWERS, riskPolicies, type Risk, type RiskAnswer } from './risk.ts';

/** The facts of a call that the rules use. */
interface RiskFacts {
  readonly tool: string;
  readonly readOnly: boolean;
  readonly destructive: boolean;
  readonly openWorld: boolean;
  /** Money that the call moves; undefined if it is not known. */
  readonly amount: number | undefined;
  /** `amount`, and what the agent has spent or reserved on this day before. */
  readonly amount_day: number | undefined;
}

const NAMES = ['payments.send', 'payments.refund', 'payments.list', 'mail.send', 'pay', 'shop.payments'];
const flags = [true, false];
/** One name has each combination of what a tool declares of itself, the others have the extremes. */
const TOOLS = NAMES.flatMap((name, i) =>
  flags.flatMap((readOnly) =>
    flags.flatMap((destructive) =>
      flags.flatMap((openWorld) =>
        i === 0 || (!readOnly && destructive === openWorld)
          ? [{ name: `${name}.${[readOnly, destructive, openWorld].map(Number).join('')}`, readOnly, destructive, openWorld }]
          : [],
      ),
    ),
  ),
);
const HOST = catalog({
  targets: TOOLS.map(({ name, ...said }) => ({
    kind: 'tool',
    name,
    annotations: { ...said, idempotent: false, repeatable: false, returns: 'trusted' },
    input: { type: 'object', properties: {} },
  })),
});

const load = (risk: Risk) =>
  PolicyInForce.load({ engine: cedar, catalog: HOST, sources: [riskPolicies(risk, true)], digest: (text) => text, sample_every: 1, alarm });
function alarm(): never {
  throw new Error('the closures and the engine disagree');
}

function ask(policies: PolicyInForce, { tool, amount, amount_day }: RiskFacts): Verdict {
  const call = { ...QUIET.call, amount, amount_day };
  return policies.decide({ subject: ANA, action: { kind: 'call', target: 'tool', name: tool }, args: {}, context: { ...QUIET, call } });
}

/** A verdict in the words of the thresholds. */
const answerOf = ({ decision, consequence, quorum }: Verdict): RiskAnswer | undefined =>
  decision === 'allow' ? undefined : consequence === 'approval' ? (quorum === 2 ? 'two' : 'ask') : 'never';

function isAbout(name: string, { tool, openWorld, destructive }: RiskFacts): boolean {
  if (name === 'external') return openWorld;
  if (name === 'irreversible') return destructive;
  return new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 'u').test(tool);
}

/** The most severe answer of the rules to a call; undefined: they allow it. Reading is free. */
function decideRisk(risk: Risk, facts: RiskFacts): RiskAnswer | undefined {
  const { amount, amount_day } = facts;
  if (facts.readOnly) return undefined;
  const said: RiskAnswer[] = [];
  for (const [name, rule] of Object.entries(risk)) {
    if (!isAbout(name, facts)) continue;
    if (typeof rule === 'string') said.push(rule);
    else {
      if (amount === undefined) said.push('never');
      for (const answer of RISK_ANSWERS) if (amount !== undefined && rule[answer] !== undefined && amount > rule[answer]) said.push(answer);
      if (rule.day !== undefined && (amount_day === undefined || amount_day > rule.day)) said.push('never');
    }
  }
  return RISK_ANSWERS.findLast((answer) => said.includes(answer));
}

const anAmount = fc.oneof(
  fc.integer({ min: 0, max: 20 }),
  fc.integer({ min: 0, max: 200_000 }).map((n) => n / 10_000),
  fc.integer({ min: 0, max: 2_000_000 }),
);
const aName = fc.oneof(
  fc.constantFrom(...TOOLS.map(({ name }) => name)),
  fc.constantFrom('payments.*', '*', '*.send.*', 'p*y*', '*payments*', '*.111', 'mail.*.*', 'pay.*'),
);
const anAnswer = fc.constantFrom(...RISK_ANSWERS);
const aRule = fc.oneof(anAnswer, fc.record({ ask: anAmount, two: anAmount, never: anAmount, day: anAmount }, { requiredKeys: [] }));
const aRisk: fc.Arbitrary<Risk> = fc
  .tuple(fc.record({ external: anAnswer, irreversible: anAnswer }, { requiredKeys: [] }), fc.dictionary(aName, aRule, { maxKeys: 3 }))
  .map(([classes, tools]) => ({ ...tools, ...classes }));
const facts = fc
  .tuple(fc.constantFrom(...TOOLS), fc.option(anAmount, { nil: undefined }), fc.option(anAmount, { nil: undefined }))
  .map(([{ name, ...said }, amount, amount_day]): RiskFacts => ({ tool: name, ...said, amount, amount_day }));

test('risk › Cedar decides as the rules in TypeScript, for any thresholds and any call', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(aRisk, fc.array(facts, { minLength: 10, maxLength: 10 }), (risk, calls) => {
      const policies = load(risk);
      for (const call of calls) {
        const expected = decideRisk(risk, call);
        seen.add(String(expected));
        expect({ call, answer: answerOf(ask(policies, call)) }).toEqual({ call, answer: expected });
      }
      policies.close();
    }),
    { numRuns: 30 },
  );
  expect([...seen].toSorted()).toEqual(['ask', 'never', 'two', 'undefined']);
}, 60_000);

test('risk › an amount at a threshold is still allowed, and the smallest one above it is not', () => {
  const policies = load({ 'payments.*': { ask: 100, two: 1_000.5, never: 10_000 } });
  const at = (amount: number) =>
    answerOf(ask(policies, { tool: 'payments.send.011', readOnly: false, destructive: true, openWorld: true, amount, amount_day: amount }));
  expect([100, 100.0001, 1_000.5, 1_000.5001, 10_000, 10_000.0001].map(at)).toEqual([undefined, 'ask', 'ask', 'two', 'two', 'never']);
});

test('risk › the policies are named after the thresholds, and say in a sentence what follows', () => {
  const { text } = riskPolicies({ 'payments.*': { ask: 100, day: 5_000 }, external: 'ask', irreversible: 'two' }, false);
  expect(text).toMatchInlineSnapshot(`
    "// Made from \`risk\` of the configuration. Amounts are in whole units of the currency.

    @id("risk/payments.*/unknown")
    @description("A call of payments.* is refused if the amount is not known.")
    @consequence("deny")
    forbid (principal, action in Action::"call", resource)
    when { !resource.readOnly && resource.name like "payments.*" && (!(context.call has amount) || !(context.call has amount_day)) };

    @id("risk/payments.*/ask")
    @description("A call of payments.* that moves more than 100 waits for a person.")
    @consequence("approval")
    forbid (principal, action in Action::"call", resource)
    when { !resource.readOnly && resource.name like "payments.*" && context.call has amount && context.call.amount.greaterThan(decimal("100.0")) };

    @id("risk/payments.*/day")
    @description("A call of payments.* is refused if its agent would have spent more than 5000 on this day (UTC).")
    @consequence("deny")
    forbid (principal, action in Action::"call", resource)
    when { !resource.readOnly && resource.name like "payments.*" && context.call has amount_day && context.call.amount_day.greaterThan(decimal("5000.0")) };

    @id("risk/external/ask")
    @description("A call that changes something beyond this host waits for a person.")
    @consequence("approval")
    forbid (principal, action in Action::"call", resource)
    when { !resource.readOnly && resource.openWorld && !resource.repeatable };

    @id("risk/irreversible/two")
    @description("A call that makes changes that cannot be undone waits for two different people.")
    @consequence("approval")
    @quorum("2")
    forbid (principal, action in Action::"call", resource)
    when { !resource.readOnly && resource.destructive };
    "
  `);
  expect(load({ 'payments.*': { ask: 100 }, external: 'two' }).policies.map(({ id }) => id)).toEqual([
    'granted',
    'risk/payments.*/unknown',
    'risk/payments.*/ask',
    'risk/external/two',
  ]);
});

test('risk › a pattern means for tools what `like` means in Cedar', () => {
  for (const name of ['payments.*', '*', 'p*.*1', '*send*', '**', 'payments.send.011', 'payments.*.0*1', 'a*']) {
    const policies = load({ [name]: 'never' });
    for (const { name: tool, ...said } of TOOLS)
      expect({ name, tool, is: answerOf(ask(policies, { tool, ...said, amount: 1, amount_day: 1 })) === 'never' }).toEqual({
        name,
        tool,
        is: isRiskOf(name, tool) && !said.readOnly,
      });
    policies.close();
  }
});

test('models are met by their names with the prefix, and change nothing beyond the host', () => {
  const maker = { provider: 'openai', model: 'gpt-5' };
  const host = catalog({
    targets: [{ kind: 'model', name: 'default', annotations: ASKS_MODEL, input: { type: 'object', properties: {} }, maker }],
  });
  const verdict = (risk: Risk) =>
    answerOf(
      PolicyInForce.load({
        engine: cedar,
        catalog: host,
        sources: [riskPolicies(risk, true)],
        digest: (text) => text,
        sample_every: 1,
        alarm,
      }).decide({
        subject: ANA,
        action: { kind: 'call', target: 'model', name: 'default' },
        args: {},
        context: QUIET,
      }),
    );
  expect([
    verdict({ external: 'ask' }),
    verdict({ 'model:default': 'never' }),
    verdict({ 'model:*': 'two' }),
    verdict({ 'tool:*': 'never' }),
  ]).toEqual([undefined, 'never', 'two', undefined]);
});
