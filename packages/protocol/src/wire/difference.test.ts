import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { differenceText, firstDifference, firstDifferenceOf } from './difference.ts';

const call = (id: number, path: string) => ({ kind: 'call', id, cap: 1, input: { path } });
const log = (text: string) => ({ kind: 'log', level: 'info', text });

describe('the first difference between two batches of effects', () => {
  test.each([
    ['another effect in its place', [call(1, 'a'), log('x')], [call(1, 'b'), log('x')], 0, 'different'],
    ['a last effect that is missing', [call(1, 'a'), log('x')], [call(1, 'a')], 1, 'missing'],
    ['a last effect that is too many', [call(1, 'a')], [call(1, 'a'), log('x')], 1, 'extra'],
    [
      'one in the middle that is missing, though the numbers behind it shift',
      [log('a'), call(1, 'a'), call(2, 'b')],
      [log('a'), call(1, 'b')],
      1,
      'missing',
    ],
    ['one in the middle that is too many', [log('a'), call(1, 'b')], [log('a'), call(1, 'a'), call(2, 'b')], 1, 'extra'],
    ['a batch that went another way altogether', [log('a'), call(1, 'a'), call(2, 'b')], [log('z')], 0, 'different'],
  ])('is told as what it is: %s', (_, expected, seen, index, kind) => {
    expect(firstDifference(expected, seen)).toMatchObject({ index, kind });
  });

  test('is none where the values are the same, whatever the order of their keys', () => {
    expect(firstDifferenceOf('[{"a":1,"b":2.0}]', '[{"b":2,"a":1}]')).toBeUndefined();
  });

  test('is found in batches that are no JSON, or nest without end', () => {
    expect(firstDifferenceOf('[]', 'nonsense')).toMatchObject({ kind: 'different', seen: 'nonsense' });
    const deep = `[${'['.repeat(200)}${']'.repeat(200)}]`;
    expect(firstDifferenceOf(deep, '[[]]')).toMatchObject({ index: 0, kind: 'different' });
    expect(firstDifferenceOf(deep, deep)).toBeUndefined();
  });

  test('is said in one sentence', () => {
    expect(differenceText({ index: 1, kind: 'missing', expected: '{"kind":"emit"}', seen: 'nothing' })).toBe(
      'effect 2 is missing: expected {"kind":"emit"}, saw nothing',
    );
  });

  test('is the effect that was taken out, put in or changed, wherever that is', () => {
    const effects = fc.array(
      fc.string({ minLength: 1 }).map((text): object => log(text)),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(effects, fc.nat(), fc.constantFrom('missing', 'extra', 'different'), (recorded, at, kind) => {
        const index = at % recorded.length;
        const odd = { kind: 'emit', event: 'odd', data: null };
        const expected = recorded.toSpliced(index, kind === 'extra' ? 0 : 1, ...(kind === 'extra' ? [] : [odd]));
        const seen = { missing: recorded.toSpliced(index, 1), extra: recorded.toSpliced(index, 0, odd), different: recorded }[kind];
        expect(firstDifference(expected, seen)).toMatchObject({ index, kind });
      }),
    );
  });
});
