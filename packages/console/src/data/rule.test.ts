import { expect, test } from 'vitest';
import { isDeciding, statementOf } from './rule.ts';

const POLICIES = `@id("free") permit (principal, action, resource);
@id("asks") @consequence("approval") forbid (principal, action == Action::"tool:pay", resource);
// Never; not even with approval.
@id("never-so-much") forbid (principal, action, resource) when { context.call.amount.greaterThan(decimal("1000.0")) && context.a != "a;b" };
@id("last") permit (principal, action, resource);`;

test('the text of a rule is found with its limit, up to the end of its statement', () => {
  expect(statementOf('never-so-much', POLICIES)).toMatch(/^@id\("never-so-much"\) forbid/);
  expect(statementOf('never-so-much', POLICIES)).toMatch(/decimal\("1000\.0"\)\) && context\.a != "a;b" };$/);
  expect(statementOf('asks', POLICIES)).toBe(
    '@id("asks") @consequence("approval") forbid (principal, action == Action::"tool:pay", resource);',
  );
  expect(statementOf('other', POLICIES)).toBeUndefined();
});

test('of the rules that applied, the one that forbids decided a refusal, and the one that asks decided a question', () => {
  const of = (rule: string) => statementOf(rule, POLICIES) ?? '';
  expect([of('free'), of('asks'), of('never-so-much')].map((text) => isDeciding(text, 'deny'))).toEqual([false, false, true]);
  expect([of('free'), of('asks'), of('never-so-much')].map((text) => isDeciding(text, 'ask'))).toEqual([false, true, false]);
});
