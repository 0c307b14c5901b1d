import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical, isDeeperThan, JSON_MAX_DEPTH } from './json.ts';

const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, shuffled(member)]),
  );
};
const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;

describe('canonical JSON', () => {
  test('is the same text whatever the order of keys', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => canonical(value) === canonical(shuffled(value))));
  });

  test('reads back as the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('sorts keys by UTF-16 code units and prints numbers as ECMAScript does (RFC 8785, 3.2)', () => {
    expect(canonical({ '\u20ac': 1, '\r': 2, '\ud83d\ude00': 3, '1': 4, ö: 5 })).toBe('{"\\r":2,"1":4,"ö":5,"€":1,"😀":3}');
    expect(canonical([Number('333333333.33333329'), 1e30, 4.5, 2e-3, 1e-27, -0])).toBe('[333333333.3333333,1e+30,4.5,0.002,1e-27,0]');
  });

  test('leaves out members that are undefined', () => {
    expect(canonical({ a: undefined, b: [undefined] })).toBe('{"b":[null]}');
  });

  test('refuses what nests too deeply instead of running out of stack', () => {
    expect(canonical(nested(JSON_MAX_DEPTH))).toHaveLength(2 * JSON_MAX_DEPTH);
    expect(() => canonical(nested(JSON_MAX_DEPTH + 1))).toThrow(RangeError);
    expect(() => canonical(nested(1_000_000))).toThrow(/nests deeper/);
  });
});

test('the depth of a value is found without going deeper than asked', () => {
  expect(isDeeperThan(nested(5), 5)).toBe(false);
  expect(isDeeperThan(nested(6), 5)).toBe(true);
  expect(isDeeperThan({ a: [{ b: 1 }] }, 3)).toBe(false);
  expect(isDeeperThan(nested(1_000_000), 64)).toBe(true);
});
