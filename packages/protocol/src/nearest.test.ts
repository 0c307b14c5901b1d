import { expect, test } from 'vitest';
import { didYouMean } from './nearest.ts';

test('a name with a slip is answered by the one that was meant', () => {
  const known = ['crawler', 'purchasing/buyer', 'hello'];
  expect(didYouMean('crwaler', known)).toBe(' Did you mean crawler?');
  expect(didYouMean('crawlers', known)).toBe(' Did you mean crawler?');
  expect(didYouMean('purchasing/bayer', known)).toBe(' Did you mean purchasing/buyer?');
});

test('a name that is near to nothing is not answered by a guess', () => {
  expect(didYouMean('nosuch', ['crawler', 'hello'])).toBe('');
  expect(didYouMean('ab', ['cd'])).toBe('');
  expect(didYouMean('', ['a'])).toBe('');
  expect(didYouMean('x'.repeat(5000), ['y'.repeat(5000)])).toBe('');
});
