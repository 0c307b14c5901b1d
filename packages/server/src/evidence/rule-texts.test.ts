import { expect, test } from 'vitest';
import { statementsIn } from './rule-texts.ts';

const PAY = `// No @id("in-a-comment") here; nothing is meant by it.
@id("free") permit (principal, action, resource);
@consequence("approval") @id("asks") forbid (principal, action == Action::"tool:pay", resource);
// Never; not even with approval.
@id("never-so-much") forbid (principal, action, resource) when { context.call.amount.greaterThan(decimal("1000.0")) && context.a != "a;b" };
permit (principal, action, resource);`;

test('rules are found by their ids, each with its annotations and limits up to the end of its statement, and with what a denial by it leads to', () => {
  const found = statementsIn([
    { file: 'pay.cedar', text: PAY },
    { file: 'last.cedar', text: '@id("last") permit (principal, action, resource);' },
  ]);
  expect(found.map(({ rule, effect, consequence }) => [rule, effect, consequence])).toEqual([
    ['free', 'permit', null],
    ['asks', 'forbid', 'approval'],
    ['never-so-much', 'forbid', null],
    ['last', 'permit', null],
  ]);
  expect(found[1]?.text).toBe('@consequence("approval") @id("asks") forbid (principal, action == Action::"tool:pay", resource);');
  expect(found[2]?.text).toMatch(/^@id\("never-so-much"\) forbid[\s\S]*decimal\("1000\.0"\)\) && context\.a != "a;b" };$/);
});
