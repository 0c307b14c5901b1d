import { describe, expect, test } from 'vitest';
import { jsonFrom } from './entities.ts';
import { argumentShape, factsReader, recordReader, type Fields } from './shape.ts';

const object = (properties: object, required: string[] = Object.keys(properties)) => ({ type: 'object', properties, required });
const one = (schema: object) => argumentShape(object({ it: schema }));

describe('the shape of arguments', () => {
  test.each([
    ['an enum of strings', { enum: ['a', 'b'] }, { shape: { kind: 'string' }, optional: false }],
    ['a constant', { const: 3 }, { shape: { kind: 'long' }, optional: false }],
    ['something or null', { type: ['integer', 'null'] }, { shape: { kind: 'long' }, optional: true }],
    [
      'a list of lists',
      { type: 'array', items: { type: 'array', items: { type: 'string' } } },
      { shape: { kind: 'set', of: { kind: 'set', of: { kind: 'string' } } }, optional: false },
    ],
    ['a whole number or any number', { anyOf: [{ type: 'integer' }, { type: 'number' }] }, { shape: { kind: 'decimal' }, optional: false }],
    ['a reference', { $ref: '#/$defs/name' }, { shape: { kind: 'string' }, optional: false }],
  ])('takes %s for what policies can compare', (_, schema, field) => {
    const { fields, unseen } = argumentShape({ ...object({ it: schema }), $defs: { name: { type: 'string' } } });
    expect(fields['it']).toEqual(field);
    expect(unseen).toEqual([]);
  });

  test('of a union has what its members agree on', () => {
    const by = (kind: string, more: object) => object({ kind: { const: kind }, ...more });
    const { fields, unseen } = argumentShape({
      oneOf: [
        by('card', { card: { type: 'string' }, n: { type: 'string' } }),
        by('iban', { iban: { type: 'string' }, n: { type: 'integer' } }),
      ],
    });
    expect(Object.entries(fields).map(([name, { optional }]) => [name, optional])).toEqual([
      ['kind', false],
      ['card', true],
      ['iban', true],
    ]);
    expect(unseen).toEqual(['args.n']);
  });

  test('of an intersection has all of it', () => {
    const { fields } = argumentShape({ allOf: [object({ a: { type: 'string' } }), object({ b: { type: 'boolean' } }, [])] });
    expect(fields).toEqual({ a: { shape: { kind: 'string' }, optional: false }, b: { shape: { kind: 'bool' }, optional: true } });
  });

  test.each([
    ['a free-form record', { type: 'object', additionalProperties: { type: 'string' } }, 'args.it'],
    ['a mixed union', { anyOf: [{ type: 'string' }, { type: 'integer' }] }, 'args.it'],
    ['a list of anything', { type: 'array', items: {} }, 'args.it[]'],
    ['a key that Cedar reads as something else', object({ __entity: { type: 'string' } }), 'args.it.__entity'],
  ])('leaves %s out and says so', (_, schema, path) => {
    expect(one(schema).unseen).toContain(path);
  });

  test('of a schema that refers to itself ends', () => {
    const { unseen } = argumentShape({
      ...object({ it: { $ref: '#/$defs/tree' } }),
      $defs: { tree: object({ next: { $ref: '#/$defs/tree' } }, []) },
    });
    expect(unseen.length).toBeGreaterThan(0);
  });
});

describe('reading', () => {
  const fields: Fields = { flag: { shape: { kind: 'bool' } }, name: { shape: { kind: 'string' }, optional: true } };

  test('arguments are copied without what the shape does not name, and only from own members', () => {
    const raw = Object.assign(Object.create({ name: 'inherited' }) as object, { flag: true, __entity: { type: 'Role', id: 'admin' } });
    expect(recordReader(fields)(raw, 'args')).toEqual({ flag: true });
  });

  test('facts that are right are used as they are, and made right otherwise', () => {
    const read = factsReader(fields);
    const right = { flag: true, name: 'x' };
    expect(read(right, 'the context')).toBe(right);
    expect(Object.keys(read({ flag: true, name: undefined }, 'the context'))).toEqual(['flag']);
    expect(read({ flag: true, name: 'lone \ud800' }, 'the context')['name']).toBe('lone \ufffd');
    expect(() => read({ name: 'x' }, 'the context')).toThrow('the context has no flag');
  });

  test.each([
    [12.5, '12.5000'],
    [-0.00004, '0.0000'],
    [0.1 + 0.2, '0.3000'],
    [900_000_000_000_000.25, '900000000000000.2500'],
  ])('the number %d is the decimal %s', (number, text) => {
    const read = recordReader({ n: { shape: { kind: 'decimal' } } });
    expect(jsonFrom(read({ n: number }, 'args'))).toEqual({ n: { __extn: { fn: 'decimal', arg: text } } });
  });
});
