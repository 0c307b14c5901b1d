import { expect, test } from 'vitest';
import { queryOf } from './filter.ts';

test('words with the name of a field become conditions, and all others are searched', () => {
  expect(queryOf('agent:shop/buyer  invoice 42 ended:failed(x)')).toEqual({ agent: 'shop/buyer', ended_as: 'failed(x)', q: 'invoice 42' });
  expect(queryOf('version:sha256:abc')).toEqual({ version: 'sha256:abc' });
});

test('a field without a value, or one that there is not, is searched as it stands', () => {
  expect(queryOf('agent: token:ann')).toEqual({ q: 'agent: token:ann' });
  expect(queryOf('  ')).toEqual({});
});
