/** Declarations of who writes the fields of a result, held against the schema of the result. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { FieldPaths } from '@corral/policy/flow/field-paths';
import { textsOf } from '@corral/policy/flow/leaves';
import type { Json } from '@corral/protocol/json';
import { fieldText, type FieldStep } from '@corral/protocol/model/field-path';
import { contractOf, type JsonSchema } from '@corral/protocol/ports/contract';
import type { Returns } from '@corral/protocol/ports/tool';
import { inlineTool } from './define.ts';
import { faultOfAll, resolveReturns } from './returned-fields.ts';

const Ticket = z.object({
  id: z.string(),
  customer: z.object({ account: z.string(), since: z.number() }),
  comments: z.array(z.object({ by: z.string(), body: z.string() })),
  labels: z.record(z.string(), z.string()).optional(),
});
const schemaOf = (schema: z.ZodType): JsonSchema => contractOf(schema, 'output').schema;
const resolved = (returns: Returns, schema: JsonSchema = schemaOf(z.object({ items: z.array(Ticket) }))) =>
  resolveReturns(returns, () => schema);
const faults = (returns: Returns, schema?: JsonSchema) => resolved(returns, schema).faults.map(({ message }) => message);

describe('a declaration of who writes a result', () => {
  it('of the result as a whole asks for no schema', () => {
    const never = () => {
      throw new Error('asked');
    };
    for (const returns of ['trusted', 'untrusted'] as const) expect(resolveReturns(returns, never)).toEqual({ returns, faults: [] });
  });

  it('that names strangers’ fields leaves the others of the schema to the system, as far up as nothing else can be below', () => {
    expect(resolved({ untrusted: ['items[].comments[].body'] })).toEqual({
      returns: 'untrusted',
      faults: [],
      trusted_fields: ['items[].id', 'items[].customer', 'items[].comments[].by', 'items[].labels'],
    });
    expect(resolved({ untrusted: ['items[].comments', 'items[].labels.note'] }).trusted_fields).toEqual(['items[].id', 'items[].customer']);
    for (const all of ['*', 'items', 'items[]', 'items[].*']) expect(resolved({ untrusted: [all] }).trusted_fields).toEqual([]);
    expect(resolved({ trusted: ['items[].id', 'items[].labels.*'] })).toEqual({
      returns: 'untrusted',
      faults: [],
      trusted_fields: ['items[].id', 'items[].labels.*'],
    });
  });

  it('takes no longer for a schema whose references make many millions of fields of it', () => {
    const closed = (properties: Json): Json => ({ type: 'object', properties, additionalProperties: false });
    const at = (n: number) => ({ $ref: `#/$defs/l${n}` });
    const $defs = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`l${n}`, closed({ a: at((n + 1) % 30), b: at((n + 1) % 30) })]));
    const deep = { ...(closed({ id: { type: 'string' }, tree: at(0) }) as JsonSchema), $defs };
    expect(resolved({ untrusted: ['tree.a'] }, deep)).toEqual({ returns: 'untrusted', faults: [], trusted_fields: ['id'] });
    expect(faults({ untrusted: ['no'] }, deep)).toEqual(['no: the result has no such field; there are id']);
  });

  it('leaves what a schema does not name to strangers', () => {
    const open: JsonSchema = {
      type: 'object',
      properties: {
        id: { type: 'string' },
        owner: { type: 'object', properties: { name: { type: 'string' } } },
        text: {},
        meta: { type: 'object' },
      },
    };
    expect(resolved({ untrusted: ['text'] }, open).trusted_fields).toEqual(['id', 'owner.name', 'meta']);
    // It refers to itself: what is below the second time is not followed.
    const tree: JsonSchema = {
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          additionalProperties: false,
          properties: { id: { type: 'string' }, text: { type: 'string' }, below: { type: 'array', items: { $ref: '#/$defs/node' } } },
        },
      },
    };
    expect(resolved({ untrusted: ['text'] }, tree).trusted_fields).toEqual(['id']);
    expect(resolved({ trusted: ['below[].below[].id'] }, tree).faults).toEqual([]);
  });

  it('is refused for a field that no result has, with those that there are', () => {
    expect(faults({ untrusted: ['items[].comment[].body'] })).toEqual([
      'items[].comment[].body: the result has no such field; there are items[].id, items[].customer.account, items[].customer.since, items[].comments[].by, items[].comments[].body, items[].labels.*. Did you mean items[].comments[].body?',
    ]);
    for (const path of ['id', 'items.id', 'items[].customer.since.day', '[]'])
      expect([path, faults({ trusted: [path] })]).toEqual([
        path,
        [expect.stringContaining(': the result has no such field; there are items[].id')],
      ]);
    expect(faults({ trusted: ['x'] }, schemaOf(z.number()))).toEqual(['x: the result is one value and has no fields']);
    expect(faults({ trusted: ['a..b'] })).toEqual([expect.stringContaining('it is not a path')]);
  });

  it('names what is trusted where no schema says which fields there are beside a stranger’s', () => {
    const Answer = schemaOf(z.object({ status: z.int(), body: z.string(), data: z.unknown() }));
    for (const path of ['body.comments[].text', 'data.text']) {
      expect(faults({ untrusted: [path] }, Answer)).toEqual([expect.stringMatching(/does not say which fields .* as `trusted` instead$/)]);
      expect(resolved({ untrusted: [path] }, Answer).trusted_fields).toEqual([]);
      expect(resolved({ trusted: [path] }, Answer)).toEqual({ returns: 'untrusted', faults: [], trusted_fields: [path] });
    }
    expect(resolved({ untrusted: ['body'] }, Answer).trusted_fields).toEqual(['status', 'data']);
  });

  it('of all tools of a source may name fields that some of them have', () => {
    const [one, other] = [schemaOf(Ticket), schemaOf(z.object({ name: z.string(), note: z.string() }))];
    const of = (...untrusted: string[]) => faultOfAll([one, other].map((schema) => resolved({ untrusted }, schema)));
    expect(of('comments[].body', 'note')).toBeUndefined();
    expect(of('comments[].body', 'nte')).toMatch(/^nte: the result has no such field/);
    expect(resolved({ untrusted: ['comments[].body', 'note'] }, other).trusted_fields).toEqual(['name']);
  });

  it('is made with the tool, and refuses one that names nothing by its code', () => {
    const made = (returns: Returns) =>
      inlineTool({
        name: 'tickets',
        description: 'Tickets.',
        input: z.object({}),
        output: Ticket,
        annotations: { returns },
        run: () => {
          throw new Error('never');
        },
      });
    expect(made({ untrusted: ['comments[].body', 'labels'] }).annotations).toMatchObject({
      returns: 'untrusted',
      trusted_fields: ['id', 'customer', 'comments[].by'],
    });
    expect(() => made({ untrusted: ['comment'] })).toThrow(
      expect.objectContaining({
        code: 'CORRAL_CONFIG_INVALID',
        message: expect.stringContaining('there are id, customer.account') as string,
      }),
    );
  });
});

describe('for any schema and any result', () => {
  const name = fc.constantFrom('id', 'a.b', '__proto__', '[]', 'text', '*');
  /** A schema and values of it, with members of other names where the schema is open. */
  const shape: fc.Arbitrary<{ schema: Json; value: fc.Arbitrary<Json> }> = fc.letrec<{ any: { schema: Json; value: fc.Arbitrary<Json> } }>(
    (tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.constant({ schema: { type: 'string' }, value: fc.constantFrom<Json>('x', 'y') }),
        tie('any').map(({ schema, value }) => ({
          schema: { type: 'array', items: schema },
          value: fc.array(value, { maxLength: 2 }) as fc.Arbitrary<Json>,
        })),
        fc
          .tuple(fc.uniqueArray(fc.tuple(name, tie('any')), { maxLength: 3, selector: ([key]) => key }), fc.boolean())
          .map(([members, isOpen]) => ({
            schema: {
              type: 'object',
              properties: own(members.map(([key, { schema }]) => [key, schema])),
              ...(isOpen ? {} : { additionalProperties: false }),
            },
            value: fc
              .tuple(fc.tuple(...members.map(([, { value }]) => value)), fc.boolean())
              .map(([values, more]) =>
                own([
                  ...members.map(([key], i): [string, Json] => [key, values[i] ?? null]),
                  ...(isOpen && more ? [['new', 'z'] as [string, Json]] : []),
                ]),
              ),
          })),
      ),
    }),
  ).any;
  const own = (entries: readonly (readonly [string, Json])[]): Json =>
    JSON.parse(`{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`) as Json;
  const step: fc.Arbitrary<FieldStep> = fc.oneof(
    name.map((one) => ({ name: one })),
    fc.constantFrom('item' as const, 'any' as const),
  );

  it('no field that was named as a stranger’s, and none that the schema lacks, becomes the system’s', () => {
    const cases = shape.chain(({ schema, value }) =>
      fc.tuple(
        fc.constant(schema as JsonSchema),
        value,
        fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      ),
    );
    fc.assert(
      fc.property(cases, ([schema, value, paths]) => {
        const untrusted = paths.map((steps) => fieldText(steps));
        const { trusted_fields = [], faults: found } = resolveReturns({ untrusted }, () => schema);
        const strangers = textsOf(value, undefined, undefined, new FieldPaths(untrusted)).leaves;
        const systems = textsOf(value, undefined, undefined, new FieldPaths(trusted_fields)).leaves;
        const isStrangers = (i: number) => strangers[i]?.field !== undefined || systems[i]?.value === 'z';
        expect(systems.filter(({ field }, i) => field !== undefined && isStrangers(i))).toEqual([]);
        // And every other one is, if all that was named is there; `*` may also lead into a text that holds JSON.
        const isClear = found.length === 0 && !paths.flat().includes('any');
        const left = systems.filter(({ field, path }, i) => field === undefined && path !== '' && !isStrangers(i));
        expect(isClear ? left : []).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});
