/** Which origins of arguments a decision keeps. */
import { expect, test } from 'vitest';
import { originsOf } from './evaluate.ts';

type Flow = NonNullable<Parameters<typeof originsOf>[0]>;
const flow = (...traces: (readonly [path: string, origin: string])[]) =>
  ({ facts: {}, traces: traces.map(([path, origin]) => ({ path, origin, found: 'phrase' })) }) as unknown as Flow;
const many = (name: string, count: number, origin: string) => Array.from({ length: count }, (_, i) => [`${name}[${i}]`, origin] as const);

test('the worst come first, and each is kept where there is room', () => {
  expect(originsOf(flow(['a', 'user'], ['to.iban', 'untrusted'], ['b', 'user']))).toEqual([
    ['to.iban', 'untrusted'],
    ['a', 'user'],
    ['b', 'user'],
  ]);
  expect(originsOf(undefined)).toEqual([]);
});

test('where one stood is said, and where that is not known, whose text the run had read', () => {
  const place = { call: 2, of: 'crm', by: ['crm'], field: '[].id' };
  const seen = { ...flow(['to', 'untrusted'], ['text', 'model']), influenced_by: ['crm', 'web'] };
  const [first, ...others] = seen.traces;
  expect(originsOf({ ...seen, traces: [{ ...first, place }, ...others] as never })).toEqual([
    ['to', 'untrusted', place],
    ['text', 'model'],
  ]);
  expect(originsOf(seen)[0]).toEqual(['to', 'untrusted', { call: 0, of: '', by: ['crm', 'web'], field: '' }]);
});

test('an argument with many parts from strangers does not push the others out', () => {
  const kept = originsOf(flow(...many('lines', 100, 'untrusted'), ['to.iban', 'untrusted'], ['amount', 'user']));
  expect(kept).toHaveLength(16);
  expect(kept).toContainEqual(['to.iban', 'untrusted']);
  expect(kept.at(-1)).toEqual(['amount', 'user']);
  expect(kept.slice(0, 14)).toEqual(many('lines', 14, 'untrusted'));
});
