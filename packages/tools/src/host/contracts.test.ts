import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { contractOf, type JsonSchema } from '@corral/protocol/ports/contract';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';
import { contractBy } from './contracts.ts';

/** `n` levels of objects around a value. */
function nested(n: number, innermost: Json, level: (inner: Json) => Json): Json {
  let value = innermost;
  for (let i = 0; i < n; i++) value = level(value);
  return value;
}

/** Definitions each of which refers to the next; a member of the last one refers to the first. */
const chain = (length: number): JsonSchema => ({
  $ref: '#/$defs/d0',
  $defs: Object.fromEntries(
    Array.from({ length }, (_, i) => [
      `d${i}`,
      i < length - 1 ? { $ref: `#/$defs/d${i + 1}` } : { type: 'object', properties: { next: { $ref: '#/$defs/d0' } } },
    ]),
  ),
});

describe('a contract that the host checks', () => {
  const twoWays = { type: 'object', properties: { next: { $ref: '#/$defs/tree' } }, required: ['next'] };
  const tree = { anyOf: [twoWays, { ...twoWays, description: 'the same' }, { type: 'null' }] };

  test.each(['anyOf', 'oneOf'])('by a union that refers to itself (%s) refuses what fits almost, however deep that is', (word) => {
    const contract = contractBy({ $ref: '#/$defs/tree', $defs: { tree: { [word]: tree.anyOf } } });
    const level = (next: Json): Json => ({ next });
    expect(contract.check(nested(60, 'no end', level))).toEqual({ ok: false, where: '', message: 'Invalid input' });
  });

  test('by a union that refers to itself takes what fits, and leaves out what is not named', () => {
    const contract = contractBy({ $ref: '#/$defs/tree', $defs: { tree } });
    const value = nested(60, null, (next) => ({ next, more: 1 }));
    expect(contract.check(value)).toEqual({ ok: true, value: nested(60, null, (next) => ({ next })) });
  });

  test('by all of several that refer to themselves checks each of them once', () => {
    const list = {
      allOf: [
        { type: 'object', properties: { next: { $ref: '#' } } },
        { type: 'object', properties: { next: { $ref: '#' } } },
      ],
    };
    const contract = contractBy(list);
    expect(contract.check(nested(60, 'no end', (next) => ({ next })))).toMatchObject({
      ok: false,
      where: Array(60).fill('next').join('.'),
    });
  });

  test('names the constant of a branch, and says what does not fit in that one', () => {
    const leafOrNode = z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('leaf'), n: z.number() }),
      z.object({ kind: z.literal('node'), text: z.string() }),
    ]);
    expect(contractBy(contractOf(leafOrNode).schema).check({ kind: 'leaf', n: 'x' })).toEqual({
      ok: false,
      where: 'n',
      message: 'Invalid input: expected number, received string',
    });
  });

  test('refuses what takes more steps than there are, and says so', () => {
    // Every branch looks at every item, and none fits.
    const list = { type: 'array', items: { type: 'string', maxLength: 1 }, contains: { const: 'no' } };
    const contract = contractBy({ anyOf: Array.from({ length: 100 }, () => list) });
    expect(contract.check(Array(100_000).fill('a'))).toEqual({
      ok: false,
      where: '',
      message: `it takes more than ${MACHINE.check_steps.default} steps to check`,
    });
  });

  test('takes the largest list that an agent may send, by a schema that is no trick', () => {
    const contract = contractBy(contractOf(z.array(z.union([z.string(), z.number()]))).schema);
    expect(contract.check(Array(128 * 1024).fill(1))).toMatchObject({ ok: true });
  });

  test('by references that lead nowhere, or through more of them than there are levels, refuses everything', () => {
    expect(contractBy({ $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' }).check(1)).toMatchObject({ ok: false });
    const contract = contractBy(chain(400));
    expect(contract.check({})).toEqual({ ok: true, value: {} });
    expect(contract.check({ next: { next: { next: {} } } })).toMatchObject({ ok: false, message: expect.stringContaining('levels') });
  });

  // It took a minute, at each level twice as long as at the one within.
  test('is made of a type that is named twice at forty levels as quickly as of one that is named once', () => {
    let schema: Json = { type: 'string' };
    for (let i = 0; i < 40; i++) schema = { type: ['array', 'array'], items: schema };
    const contract = contractBy(schema);
    let value: Json = 'x';
    for (let i = 0; i < 40; i++) value = [value];
    expect(contract.check(value)).toMatchObject({ ok: true });
    expect(contract.check([value])).not.toMatchObject({ ok: true });
  });

  test('lets the process of the tool say what patterns mean', () => {
    const contract = contractBy({
      type: 'object',
      properties: { s: { type: 'string', pattern: '^b' } },
      patternProperties: { '^x': { type: 'string' } },
      additionalProperties: false,
    });
    expect(contract.check({ s: 'a', x1: 1 })).toEqual({ ok: true, value: { s: 'a', x1: 1 } });
  });

  test('counts members and items, and asks for what is required, also where nothing is said of them', () => {
    expect(contractBy({ type: 'array', maxItems: 1 }).check([1, 2])).toMatchObject({ ok: false, message: expect.stringContaining('<=1') });
    expect(contractBy({ type: 'object', anyOf: [{ required: ['a'] }, { required: ['b'] }] }).check({ c: 1 })).toMatchObject({ ok: false });
    expect(contractBy({ type: 'object', anyOf: [{ required: ['a'] }, { required: ['b'] }] }).check({ b: 1 })).toMatchObject({ ok: true });
  });

  const schemas = fc.letrec<{ readonly schema: JsonSchema }>((tie) => {
    const inner = tie('schema');
    const name = fc.constantFrom('a', 'b');
    return {
      schema: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        fc.record({ type: fc.constantFrom('string', 'number', 'integer', 'boolean', 'null') }),
        fc.record({ const: fc.constantFrom('x', 1, null) }),
        fc.record({ enum: fc.constantFrom(['x', 'y'], ['x', 1]) }),
        fc.record({ type: fc.constant('string'), minLength: fc.constantFrom(0, 2) }),
        fc.record({ type: fc.constant('integer'), minimum: fc.constantFrom(0, 2), default: fc.constant(3) }),
        fc.record({ type: fc.constant(['string', 'null']) }),
        fc.record({ type: fc.constant('array'), items: inner }),
        fc.record({ type: fc.constant('array'), items: fc.constant({}), minItems: fc.constantFrom(0, 2), uniqueItems: fc.boolean() }),
        fc.record({ type: fc.constant('object'), minProperties: fc.constantFrom(0, 1, 2) }),
        fc.record({ type: fc.constant('array'), prefixItems: fc.array(inner, { minLength: 1, maxLength: 2 }), items: fc.constant(false) }),
        fc.record({ type: fc.constant('array'), items: fc.constant({ type: 'number' }), contains: fc.constant({ const: 1 }) }),
        fc
          .record(
            {
              type: fc.constant('object'),
              properties: fc.dictionary(name, inner, { maxKeys: 2 }),
              additionalProperties: fc.oneof(fc.boolean(), inner),
            },
            { requiredKeys: ['type', 'properties'] },
          )
          .chain((one) => fc.subarray(Object.keys(one.properties)).map((required) => ({ ...one, required }))),
        fc.record({ type: fc.constant('object'), propertyNames: fc.constant({ enum: ['a'] }), maxProperties: fc.constant(1) }),
        fc.record({ anyOf: fc.array(inner, { minLength: 2, maxLength: 3 }) }),
        fc.record({ oneOf: fc.array(inner, { minLength: 2, maxLength: 3 }) }),
        fc.record({ $ref: fc.constant('#/$defs/d') }),
      ),
    };
  }).schema;
  const values = fc.letrec<{ readonly value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom('x', 'y', 'long', '', 0, 1, 2.5, true, null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
    ),
  })).value;

  test('takes what zod takes by the same schema, with the same defaults', () => {
    fc.assert(
      fc.property(schemas, fc.array(values, { minLength: 1, maxLength: 8 }), (schema, list) => {
        const whole = {
          ...schema,
          $defs: { d: { type: 'object', properties: { a: { anyOf: [{ $ref: '#/$defs/d' }, { type: 'null' }] } } } },
        };
        const theirs = z.fromJSONSchema(whole as never);
        const ours = contractBy(whole);
        for (const value of list) {
          const expected = theirs.safeParse(value);
          const checked = ours.check(value);
          // Zod keeps unnamed members; the host's check leaves them out.
          const kept = checked.ok ? checked.value : expected.data;
          expect({ ok: expected.success, value: expected.data }).toMatchObject({ ok: checked.ok, value: kept });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a contract by zod', () => {
  const twice: z.ZodType = z.object({
    get next() {
      return z.union([twice, z.null(), twice]);
    },
  });

  test.each([
    ['plain members', z.object({ a: z.string().min(1), b: z.int().optional(), c: z.array(z.enum(['x', 'y'])).default([]) }), false],
    ['formats of zod', z.object({ id: z.uuid(), mail: z.email(), at: z.iso.datetime(), on: z.iso.date(), ip: z.ipv4() }), false],
    ['a pattern', z.object({ s: z.string().regex(/^(a+)+$/) }), true],
    [
      'several patterns',
      z
        .string()
        .regex(/^(a+)+$/)
        .regex(/a/),
      true,
    ],
    ['a mail address by a pattern of its own', z.email({ pattern: /^(a+)+@$/ }), true],
    ['a refinement', z.object({ s: z.string().refine(() => true) }), true],
    ['a check', z.array(z.string().check(() => undefined)), true],
    ['a transform', z.union([z.null(), z.string().transform((text) => text.length)]), true],
    ['what is done before', z.preprocess((value) => value, z.string()), true],
    ['names by a pattern', z.record(z.string().regex(/^(a+)+$/), z.number()), true],
    [
      'what zod can do',
      z.strictObject({
        trimmed: z.string({ error: 'no text' }).trim().toLowerCase().min(1, 'too short').startsWith('a').describe('a text').optional(),
        url: z.httpUrl().or(z.url()),
        choice: z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') }), z.looseObject({ kind: z.literal('b') })]).nullable(),
        pair: z.tuple([z.uuid({ version: 'v7' }), z.int().min(1).multipleOf(2)], z.iso.date()).readonly(),
        more: z.record(z.string(), z.unknown()).and(z.object({ at: z.coerce.date() })),
      }),
      false,
    ],
    ['a host by a pattern', z.url({ hostname: /^(a+)+$/ }), true],
    ['a protocol by a pattern', z.url({ protocol: /^(a+)+$/ }), true],
    ['a format of the author', z.stringFormat('mine', () => true), true],
    ['a format of the author by a name of zod', z.stringFormat('email', () => true), true],
    ['a text that a function overwrites', z.object({ s: z.string().overwrite((text) => text) }), true],
    ['a message by a function', z.string({ error: (issue) => String(issue.input) }), true],
    ['a bound that applies when a function says so', z.string().check(z.minLength(1, { when: () => true } as object)), true],
    [
      'a check of one member',
      z.array(z.string()).check(
        z.property(
          'length',
          z.number().refine(() => true),
        ),
      ),
      true,
    ],
    ['a text made of parts', z.templateLiteral([z.string(), z.string(), z.string(), '!']), true],
    ['members that are checked by code of the author', z.object({}).catchall(z.string().refine(() => true)), true],
    ['a set', z.set(z.string().refine(() => true)), true],
    ['alternatives that lead back to themselves', twice, true],
  ])('with %s knows whether its check may hang', (_, schema, expected) => {
    expect(contractOf(schema).mayHang).toBe(expected);
  });
});
