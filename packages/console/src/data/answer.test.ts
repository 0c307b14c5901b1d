import { expect, test } from 'vitest';
import { drafted, emptyOf, fieldOf, valueOf, type Draft } from './answer.ts';

const filled = (schema: unknown, draft: Draft) => valueOf(fieldOf(schema), draft);

test('each kind of answer has a field of its own, and one that no field fits is written as JSON', () => {
  for (const [schema, kind] of [
    [{ type: 'string' }, 'text'],
    [{ type: 'integer', minimum: 1 }, 'number'],
    [{ type: 'boolean' }, 'boolean'],
    [{ enum: ['staging', 'production'] }, 'choice'],
    [{ anyOf: [{ const: 1 }, { enum: [2, 3] }, { type: 'null' }] }, 'choice'],
    [{ type: 'array', items: { type: 'number' } }, 'list'],
    [{ type: 'object', properties: { a: { type: 'string' } } }, 'object'],
    [{ type: 'object' }, 'json'],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }] }, 'json'],
    [{ type: ['string', 'number'] }, 'json'],
    ['no schema', 'json'],
  ] as const)
    expect([schema, fieldOf(schema).kind]).toEqual([schema, kind]);
});

test('a draft becomes the value that the schema describes', () => {
  expect(filled({ type: 'string' }, ' as it is ')).toEqual({ ok: true, value: ' as it is ' });
  expect(filled({ type: 'number' }, ' 9.5 ')).toEqual({ ok: true, value: 9.5 });
  expect(filled({ type: 'boolean' }, 'no')).toEqual({ ok: true, value: false });
  expect(filled({ enum: ['a', null, { b: 1 }] }, '2')).toEqual({ ok: true, value: { b: 1 } });
  expect(filled({ type: 'array', items: { type: 'integer' } }, ['1', '2'])).toEqual({ ok: true, value: [1, 2] });
  const schema = {
    type: 'object',
    properties: { where: { enum: ['x'] }, note: { type: 'string' }, list: { type: 'array', items: { type: 'string' } } },
    required: ['where'],
  };
  expect(filled(schema, ['0', '', []])).toEqual({ ok: true, value: { where: 'x' } });
});

test('what does not fit is told at its place, and nothing is chosen for a person', () => {
  const schema = {
    type: 'object',
    properties: {
      sure: { type: 'boolean' },
      most: { type: 'integer', maximum: 10 },
      to: { type: 'array', minItems: 1, items: { type: 'string' } },
    },
    required: ['sure', 'most', 'to'],
  };
  const field = fieldOf(schema);
  const found = valueOf(field, emptyOf(field));
  expect(found.ok ? [] : found.faults.map(({ at }) => at)).toEqual(['0', '1', '2']);
  const second = valueOf(field, drafted(drafted(drafted(emptyOf(field), [1], '11'), [2], ['']), [0], 'yes'));
  expect(second).toEqual({
    ok: false,
    faults: [
      { at: '1', message: 'It has to be a whole number, at most 10.' },
      { at: '2.0', message: 'Write something here.' },
    ],
  });
});

test('a member may be called whatever its agent likes, and a default answers nothing', () => {
  const schema = JSON.parse(
    '{"type":"object","properties":{"__proto__":{"type":"string","default":"yes"}},"required":["__proto__"]}',
  ) as unknown;
  const field = fieldOf(schema);
  expect(valueOf(field, emptyOf(field)).ok).toBe(false);
  const found = valueOf(field, ['x']);
  expect(JSON.stringify(found.ok ? found.value : undefined)).toBe('{"__proto__":"x"}');
});
