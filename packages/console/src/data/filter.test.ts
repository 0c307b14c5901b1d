import { expect, test } from 'vitest';
import { faultOf, queryOf, STATES } from './filter.ts';

test('words with the name of a field become conditions, and all others are searched', () => {
  expect(queryOf('agent:shop/buyer  invoice 42 ended:failed(x)')).toEqual({ agent: 'shop/buyer', ended_as: 'failed(x)', q: 'invoice 42' });
  expect(queryOf('version:sha256:abc')).toEqual({ version: 'sha256:abc' });
});

test('a field without a value, or one that there is not, is searched as it stands', () => {
  expect(queryOf('agent: token:ann')).toEqual({ q: 'agent: token:ann' });
  expect(queryOf('  ')).toEqual({});
});

test('a field that is named twice has both values, and one of them is enough for a run', () => {
  expect(queryOf('agent:a agent:b by:token:ann')).toEqual({ agent: ['a', 'b'], principal: 'token:ann' });
});

test('a run that has ended is neither paused nor under quarantine any more', () => {
  for (const name of ['paused', 'quarantined'] as const) expect(STATES[name].query).toEqual({ control: name, live: 'true' });
});

test('a state can be written, and a word that looks like a field and is none is said to be wrong', () => {
  expect(queryOf('state:paused invoice')).toEqual({ control: 'paused', live: 'true', q: 'invoice' });
  expect(faultOf('agent:a by:token:ann token:ann state:paused invoice:')).toBeUndefined();
  expect(queryOf('tool:pay')).toEqual({ holds: 'pay' });
  expect(faultOf('skill:pay')).toMatch(/^skill: is not a filter here; there are agent: /);
  expect(faultOf('state:asleep')).toMatch(/^state:asleep is not a state; there are all, live, /);
});
