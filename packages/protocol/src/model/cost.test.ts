import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { costOf, microsOf, moneyText, sumOf } from './cost.ts';
import { MICROS } from '../limits.ts';

test('an amount of money is millionths, exactly, for every amount of up to six digits after the point', () => {
  fc.assert(fc.property(fc.nat(2_000_000_000), (micros) => microsOf(micros / MICROS) === micros));
  expect([0.1 + 0.2, 1.005, 19.99, 1e-7].map(microsOf)).toEqual([300_000, 1_005_000, 19_990_000, 1]);
});

test('an amount that cannot be is never less than what it stands for', () => {
  expect([-5, Infinity, 1e300].map(microsOf)).toEqual([0, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
  expect([Number.NaN, '5', null, undefined, {}].map(microsOf)).toEqual(Array.from({ length: 5 }));
});

test('what a tool says of its cost counts as far as it can be one', () => {
  expect(costOf({ tokens: 1.2, money_micros: 3, cpu_ms: 9 })).toEqual({ tokens: 2, money_micros: 3 });
  expect(costOf({ tokens: -1, money_micros: 'free' })).toEqual({});
  expect(costOf({ tokens: Number.NaN })).toEqual({});
  expect([null, undefined, 7, 'free'].map(costOf)).toEqual([{}, {}, {}, {}]);
});

test('costs add up, and what nobody said stays unsaid', () => {
  expect(sumOf({ tokens: 1 }, { tokens: 2, money_micros: 3 })).toEqual({ tokens: 3, money_micros: 3 });
  expect(sumOf({}, {})).toEqual({});
});

test('money reads as people write it', () => {
  expect([0, 2_500_000, 125, -1_000_000, 1_999_999, 12_345_678_900_000].map(moneyText)).toEqual([
    '0.00',
    '2.50',
    '0.000125',
    '-1.00',
    '1.999999',
    '12345678.90',
  ]);
});
