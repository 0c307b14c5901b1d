import { expect, test } from 'vitest';
import { withheld } from './withheld.ts';

test('what operators are told of a failure does not cross into a cell', () => {
  const error = { code: 'CORRAL_TOOL_FAILED', message: 'full' };
  const whole = {
    kind: 'reply',
    at: 1,
    results: [{ id: 1, error, attempts: 2, detail: 'a stack', may_have_acted: true, cost: { tokens: 1 } }],
  };
  const seen = { ...whole, results: [{ id: 1, error, attempts: 2, cost: { tokens: 1 } }] };
  expect(JSON.parse(withheld(JSON.stringify(whole)))).toEqual(seen);
  const { detail: _, ...told } = whole.results[0] as (typeof whole.results)[0];
  expect(JSON.parse(withheld(JSON.stringify({ ...whole, results: [told] })))).toEqual(seen);
});
