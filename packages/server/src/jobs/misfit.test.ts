import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod';
import type { Json } from '@corral/protocol/json';
import { looksUnfit } from './misfit.ts';

const SCHEMAS = [
  z.object({ a: z.string().min(1).max(3), b: z.int().min(0).optional() }),
  z.strictObject({ a: z.union([z.number(), z.null()]), b: z.array(z.boolean()).max(2) }),
  z.record(z.string(), z.enum(['a', 'b'])),
  z.tuple([z.string(), z.number()]),
  z.discriminatedUnion('a', [z.object({ a: z.literal('b'), b: z.string() }), z.object({ a: z.literal(1) })]),
  z.intersection(z.object({ a: z.number() }), z.object({ b: z.string() })),
  z.array(z.looseObject({ a: z.string().regex(/^x/) })).min(1),
];

test('an input that a schema takes never looks unfit, and most of those that it refuses do', () => {
  const leaf = fc.constantFrom<Json>('', 'a', 'b', 'abcd', 0, 1, -1, 1.5, null, true);
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
    ),
  }));
  let refused = 0;
  let seen = 0;
  fc.assert(
    fc.property(fc.constantFrom(...SCHEMAS), value, (schema, input) => {
      const takes = schema.safeParse(input).success;
      const unfit = looksUnfit(z.toJSONSchema(schema, { io: 'input' }), input);
      expect(takes && unfit).toBe(false);
      if (!takes) refused += 1;
      if (unfit) seen += 1;
    }),
    { numRuns: 2_000 },
  );
  expect(seen / refused).toBeGreaterThan(0.9);
});

test('a schema that asks for more work than the bound accuses nobody', () => {
  const wide = { anyOf: Array.from({ length: 200 }, () => ({ type: 'string' })) };
  expect(looksUnfit(wide, 1)).toBe(true);
  expect(
    looksUnfit(
      { items: wide },
      Array.from({ length: 200 }, () => 'a'),
    ),
  ).toBe(false);
  expect(
    looksUnfit(
      { items: { ...wide, anyOf: [...wide.anyOf, {}] } },
      Array.from({ length: 60 }, () => 1),
    ),
  ).toBe(false);
  expect(looksUnfit({ type: 'array', items: { items: wide } }, [Array.from({ length: 1_000 }, () => 1)])).toBe(true);
});
