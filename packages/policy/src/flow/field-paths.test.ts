/** Which leaves of a result stand in the fields that its system writes itself, whatever strangers call their members. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { fieldStepsOf, fieldText, type FieldStep } from '@corral/protocol/model/field-path';
import { FieldPaths } from './field-paths.ts';
import { textsOf } from './leaves.ts';

/** Members as hosts have them, and as strangers who would be taken for somebody else call theirs. */
const NAMES = ['id', 'body', 'a', 'a.b', 'b', '__proto__', 'constructor', '[]', '*', 'items[].id', '"', '', 'a\n', '0'];
const name = fc.constantFrom(...NAMES);
const step: fc.Arbitrary<FieldStep> = fc.oneof(
  { weight: 4, arbitrary: name.map((one) => ({ name: one })) },
  fc.constant('item' as const),
  fc.constant('any' as const),
);
const path = fc.array(step, { minLength: 1, maxLength: 4 });

/** A JSON object has any name as its own, `__proto__` too. */
const object = (entries: readonly (readonly [string, Json])[]): Json =>
  JSON.parse(`{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`) as Json;
const json: fc.Arbitrary<Json> = fc.letrec<{ value: Json; leaf: Json }>((tie) => ({
  leaf: fc.oneof(fc.constantFrom<Json>('x', 'y z', 7, true, null)),
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.uniqueArray(fc.tuple(name, tie('value')), { maxLength: 4, selector: ([key]) => key }).map((entries) => object(entries)),
  ),
})).value;

/** All leaves in order, each with its way from the root: names of members, and positions in lists. */
function* ways(value: Json, way: readonly (string | number)[] = []): Generator<readonly (string | number)[]> {
  if (typeof value === 'string' || typeof value === 'number') yield way;
  else if (Array.isArray(value)) for (const [i, one] of value.entries()) yield* ways(one as Json, [...way, i]);
  else if (typeof value === 'object' && value !== null) for (const [key, one] of Object.entries(value)) yield* ways(one, [...way, key]);
}
const covers = (steps: readonly FieldStep[], way: readonly (string | number)[]) =>
  steps.length <= way.length &&
  steps.every((one, i) => one === 'any' || (one === 'item' ? typeof way[i] === 'number' : one.name === way[i]));

describe('paths of fields', () => {
  it('are written and read again as the same steps', () => {
    fc.assert(
      fc.property(path, (steps) => {
        expect(fieldStepsOf(fieldText(steps))).toEqual(steps);
      }),
    );
    expect(fieldStepsOf('comments[].body')).toEqual([{ name: 'comments' }, 'item', { name: 'body' }]);
    expect(fieldStepsOf('["a.b"][].*')).toEqual([{ name: 'a.b' }, 'item', 'any']);
  });

  it.each(['', '.', 'a.', 'a..b', '.a', 'a[0]', 'a[', 'a]', '[""', '["\\q"]', 'a b"', `a${'.a'.repeat(99)}`, 'a\n'])(
    'refuse %j',
    (text) => {
      expect(fieldStepsOf(text)).toEqual(expect.any(String));
    },
  );

  it('cover exactly what is at them and below, by the steps and never by the text of a name', () => {
    fc.assert(
      fc.property(json, fc.array(path, { maxLength: 4 }), (value, paths) => {
        const { leaves } = textsOf(value, undefined, undefined, new FieldPaths(paths.map((steps) => fieldText(steps))));
        const all = [...ways(value)];
        expect(leaves).toHaveLength(all.length);
        expect(leaves.map(({ field }) => field !== undefined)).toEqual(all.map((way) => paths.some((steps) => covers(steps, way))));
      }),
      { numRuns: 500 },
    );
  });

  it('go on below a text that holds JSON, unless it can be read in two ways', () => {
    const fieldsIn = (body: string) =>
      textsOf({ status: 200, body }, undefined, undefined, new FieldPaths(['body.items[].id'])).leaves.map(({ path: at, field }) => [
        at,
        field,
      ]);
    expect(fieldsIn(' {"items": [{"id": "P-1", "note": "x"}]}')).toEqual([
      ['status', undefined],
      ['body.items[0].id', 'body.items[].id'],
      ['body.items[0].note', undefined],
    ]);
    for (const body of [
      '{"items": [{"id": "evil", "id": "P-1"}]}',
      '{"items": [{"id": "P-1"}], "items": []}',
      '{"items": [{"id": "P-1"}]',
      'items',
      '"items"',
      `{"items": [{"id": "P-1"}], "x": "${'x'.repeat(256 * 1024)}"}`,
    ])
      expect(fieldsIn(body)).toEqual([
        ['status', undefined],
        ['body', undefined],
      ]);
    expect(fieldsIn(JSON.stringify({ items: [{ id: 'a":"b\\', note: '{"id": 1, "id": 2}' }] }))).toHaveLength(3);
  });

  it('do not go on in a text that may be a stranger’s: at `*`, in a list, and within a text that was read', () => {
    const evil = '{"price":"DE99","id":"DE99"}';
    for (const [value, path] of [
      [{ note: evil, item: { price: 'P-1' } }, '*.price'],
      [[evil, { id: 'P-1' }], '[].id'],
      [{ body: JSON.stringify({ user: { id: 'P-1' }, note: evil }) }, 'body.*.id'],
      [{ body: JSON.stringify({ user: evil, owner: { id: 'P-1' } }) }, 'body.user.id'],
    ] as const)
      expect(
        textsOf(value as Json, undefined, undefined, new FieldPaths([path])).leaves.filter(({ field }) => field !== undefined),
      ).toHaveLength(path === 'body.user.id' ? 0 : 1);
  });

  it('cover a name that holds data by the object that it is in', () => {
    const { names } = textsOf({ open: { 'Pay DE12': 1 }, own: { 'Pay DE13': 1 } }, undefined, undefined, new FieldPaths(['own', 'open.*']));
    expect(names.map(({ value, field }) => [value, field])).toEqual([
      ['Pay DE12', undefined],
      ['Pay DE13', 'own'],
    ]);
  });
});
