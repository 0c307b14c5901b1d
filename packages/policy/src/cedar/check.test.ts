import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PolicyCases, testPolicies } from './cases.ts';
import { checkPolicies } from './check.ts';
import { cedar, HOST, load } from './fixtures/host.ts';
import { formatProblems } from './problem.ts';

const check = (...texts: string[]) =>
  checkPolicies(
    cedar,
    HOST,
    texts.map((text, i) => ({ file: `${i}.cedar`, text })),
  ).problems;

describe('policy check', () => {
  test('finds nothing wrong with sound policies', () => {
    const problems = check(`
      @id("reading") permit (principal, action in Action::"call", resource) when { resource.readOnly };
      @id("paying") permit (principal, action == Action::"tool:payments.send", resource)
        when { context.person in Role::"buyer" && context.args.amount.lessThan(decimal("100.0")) };
      @id("careful") @consequence("approval") @quorum("2")
      forbid (principal, action in Action::"call", resource)
        when { context.flow has destination_origin && context.flow.destination_origin == "untrusted" };
      permit (principal, action in [Action::"send", Action::"spawn"], resource is Agent);
    `);
    expect(problems).toEqual([]);
  });

  const PAY = 'forbid (principal, action == Action::"tool:payments.send", resource)';
  test.each([
    [
      'an unknown tool in the action',
      'permit (principal,\n  action == Action::"tool:fs.raed", resource);',
      'unknown_tool',
      2,
      13,
      /no tool "fs.raed"/,
      /tool:fs.read/,
    ],
    [
      'an unknown tool as resource',
      'permit (principal, action, resource ==\n    Tool::"payment.send");',
      'unknown_tool',
      2,
      5,
      /payment\.send/,
      /payments\.send/,
    ],
    [
      'an unknown tool in a condition',
      `${PAY} when { resource == Tool::"pay" };`,
      'unknown_tool',
      1,
      89,
      /no tool "pay"/,
      /fs\.read, payments\.send/,
    ],
    ['an unknown role', `${PAY}\nwhen { context.person in Role::"byer" };`, 'unknown_entity', 2, 26, /byer/, /buyer/],
    ['an unknown kind of entity', `${PAY}\nwhen { context.person == User::"x" };`, 'unknown_entity', 2, 26, /User/, undefined],
    [
      'an unknown attribute of the context',
      `${PAY}\nwhen { context.flow.untrusted };`,
      'unknown_attribute',
      2,
      8,
      /untrusted/,
      /did you mean/,
    ],
    [
      'an argument of another tool',
      `forbid (principal, action in Action::"call", resource)\nwhen { context.args.amount.lessThan(decimal("1.0")) };`,
      'unknown_attribute',
      2,
      8,
      /args\.amount/,
      /name the tool/,
    ],
    [
      'an argument that policies cannot see',
      `${PAY}\nwhen { context.args.extra };`,
      'unknown_attribute',
      2,
      8,
      /args\.extra/,
      /cannot see: args\.extra/,
    ],
    [
      'an optional attribute without a guard',
      `${PAY}\nwhen { context.args.memo == "x" };`,
      'unguarded_optional',
      2,
      8,
      /optional attribute `args\.memo`/,
      /has memo/,
    ],
    ['a wrong type', `${PAY}\nwhen { context.args.amount > 5 };`, 'wrong_type', 2, 8, /decimal/, /\.greaterThan\(decimal\("100\.0"\)\)/],
    [
      'a decimal of a number',
      `${PAY}\nwhen { context.args.amount.greaterThan(decimal(5)) };`,
      'wrong_type',
      2,
      48,
      /String/,
      /decimal\("100\.0"\)/,
    ],
    [
      'a text that is no policy',
      '// é\npermit (principal, action, resource) when { "é" == "e" && nope };',
      'syntax',
      2,
      59,
      /nope/,
      undefined,
    ],
    ['an unknown consequence', `@consequence("aproval") ${PAY};`, 'annotation', 1, 1, /"aproval"/, /approval/],
    [
      'a consequence on a permit',
      '@consequence("approval") permit (principal, action, resource);',
      'annotation',
      1,
      1,
      /permit has no consequence/,
      /forbid/,
    ],
    ['a misspelt annotation', `@consequense("approval") ${PAY};`, 'annotation', 1, 1, /@consequense/, /@consequence/],
    ['a quorum of nobody', `@consequence("approval") @quorum("0") ${PAY};`, 'annotation', 1, 1, /"0"/, undefined],
  ])('names %s, with its place and what to do', (_, text, kind, line, column, message, hint) => {
    const problem = check(text).find((one) => one.kind === kind);
    expect(problem).toMatchObject({ severity: 'error', file: '0.cedar', line, column, message: expect.stringMatching(message) });
    expect(problem?.hint ?? '').toMatch(hint ?? /^/);
  });

  test('counts lines from the top of each file, whatever stands before', () => {
    const problems = check(
      'permit (principal, action, resource);',
      '// ; not a cut\n@id("a;b") permit (principal, action, resource);\n\n  forbid (principal, action, resource) when { nope };',
    );
    expect(problems).toMatchObject([{ file: '1.cedar', line: 4, column: 47, kind: 'syntax' }]);
    expect(formatProblems(problems)).toMatch(/^1\.cedar:4:47: error: /);
  });

  test('refuses two policies of one id, and says where the first is', () => {
    const problems = check('@id("a") permit (principal, action, resource);', '@id("a") forbid (principal, action, resource);');
    expect(problems).toMatchObject([{ kind: 'duplicate_id', file: '1.cedar', message: expect.stringContaining('0.cedar, line 1') }]);
  });

  test('warns of a policy that no request can match', () => {
    const [problem] = check('permit (principal, action == Action::"send", resource is Tool);');
    expect(problem).toMatchObject({ severity: 'warning', kind: 'never_applies' });
  });

  test('policies with errors are not loaded, and the error names each fault', () => {
    expect(() => load('permit (principal, action == Action::"tool:nope", resource);')).toThrow(/host\.cedar:1:.*nope/);
  });

  test('finds nothing wrong with the examples of the documentation', () => {
    const page = readFileSync(new URL('../../../../docs/policies.md', import.meta.url), 'utf8');
    const examples = [...page.matchAll(/```cedar\n([^]*?)```/g)].map(([, text]) => text as string);
    expect(examples.length).toBeGreaterThan(0);
    expect(check(...examples)).toEqual([]);
    const cases = PolicyCases.parse(JSON.parse(/```json\n([^]*?)```/.exec(page)?.[1] ?? ''));
    expect(testPolicies(load(examples.join('\n')), cases).map(({ faults }) => faults)).toEqual([[]]);
  });
});
