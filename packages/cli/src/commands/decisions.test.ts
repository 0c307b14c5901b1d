/** Decisions as `corral why` shows them. */
import { expect, test } from 'vitest';
import { decisionLines } from './approvals.ts';

type Decision = Parameters<typeof decisionLines>[0][number];

const allowed = (call: number, crank: number, more: Partial<Decision> = {}): Decision => ({
  call,
  crank,
  at: 0,
  action: 'call',
  tool: 'shop.search',
  verdict: 'allow',
  rules: ['free'],
  policy: 'sha256:0',
  unusual: [],
  origins: [],
  code: null,
  people: [],
  ...more,
});

test('decisions that say the same are shown once, with the numbers of their calls', () => {
  const denied = allowed(4, 5, { tool: 'bank.pay', verdict: 'deny', rules: ['none'], code: 'CORRAL_DENIED' });
  expect(decisionLines([allowed(1, 1, { unusual: ['first_use_of_tool'] }), allowed(2, 2), allowed(3, 2), denied, allowed(5, 7)])).toEqual([
    'call 1 to shop.search, crank 1: allowed',
    '  rules       free',
    '  unusual     first use of tool',
    'calls 2–3, 5 to shop.search, cranks 2, 7: allowed',
    '  rules       free',
    'call 4 to bank.pay, crank 5: denied (CORRAL_DENIED)',
    '  rules       none',
  ]);
});
