/** The tool whose calls are questions: which questions there may be, and which answers they take. */
import { describe, expect, test } from 'vitest';
import { QUESTIONS } from '@corral/protocol/limits-questions';
import type { Json } from '@corral/protocol/json';
import { questionTools } from './questions.ts';

const [tool] = questionTools();
const asked = (question: unknown) => tool?.input.check(question);
const answered = (schema: unknown, answer: Json) => tool?.asks?.({ question: 'Well?', schema } as Json, answer);

describe('a question', () => {
  test('is a text of a bounded length', () => {
    expect(asked({ question: 'Well?' })).toMatchObject({ ok: true });
    expect(asked({ question: '' })).toMatchObject({ ok: false });
    expect(asked({ question: 'x'.repeat(QUESTIONS.question_chars.default) })).toMatchObject({ ok: true });
    expect(asked({ question: 'x'.repeat(QUESTIONS.question_chars.default + 1) })).toMatchObject({ ok: false });
  });

  test('has a schema of a bounded size and depth', () => {
    const deep = (levels: number): object => (levels === 0 ? {} : { items: deep(levels - 1) });
    expect(asked({ question: 'Well?', schema: deep(QUESTIONS.schema_depth.default - 1) })).toMatchObject({ ok: true });
    expect(asked({ question: 'Well?', schema: deep(QUESTIONS.schema_depth.default + 1) })).toMatchObject({ ok: false });
    const long = (bytes: number) => ({ description: 'x'.repeat(bytes - '{"description":""}'.length) });
    expect(asked({ question: 'Well?', schema: long(QUESTIONS.schema_bytes.default) })).toMatchObject({ ok: true });
    expect(asked({ question: 'Well?', schema: long(QUESTIONS.schema_bytes.default + 1) })).toMatchObject({ ok: false });
  });

  test.each([
    { $ref: '#' },
    { $defs: {}, type: 'string' },
    { items: { not: {} } },
    { properties: { a: { if: {} } } },
    { anyOf: [{ patternProperties: {} }] },
    { type: 'strange' },
    { minLength: 'long' },
    { properties: { a: 1 } },
    { enum: [] },
    { type: ['array', 'array'], items: {} },
  ])('with the schema %j is refused', (schema) => {
    expect(asked({ question: 'Well?', schema })).toMatchObject({ ok: false, where: 'schema' });
  });

  // Bug types-again: a type that was repeated had what is below it compiled again, at each level, which took a minute for 533 bytes.
  test('has a schema of few parts, each of which is compiled once', () => {
    const words = (count: number) => ({ enum: Array.from({ length: count }, (_, i) => `word ${i}`) });
    expect(asked({ question: 'Well?', schema: words(QUESTIONS.schema_parts.default - 1) })).toMatchObject({ ok: true });
    expect(asked({ question: 'Well?', schema: words(QUESTIONS.schema_parts.default) })).toMatchObject({ ok: false });
    let again: object = { type: 'string' };
    for (let i = 0; i < QUESTIONS.schema_depth.default - 4; i++) again = { type: ['array', 'array', 'array'], items: again };
    expect(asked({ question: 'Well?', schema: again })).toMatchObject({ ok: false, where: 'schema' });
  });

  test('may name members like keywords', () => {
    const schema = { type: 'object', properties: { not: { type: 'string' }, $ref: { const: 1 } }, required: ['not'] };
    expect(asked({ question: 'Well?', schema })).toMatchObject({ ok: true });
    expect(answered(schema, { not: 'x', $ref: 1 })).toMatchObject({ ok: true });
    expect(answered(schema, { not: 1 })).toMatchObject({ ok: false, where: 'not' });
  });
});

describe('an answer', () => {
  test('to a question without a schema is a text', () => {
    expect(answered(undefined, 'yes')).toMatchObject({ ok: true, value: 'yes' });
    expect(answered(undefined, true)).toMatchObject({ ok: false });
  });

  test('has the defaults of the schema filled in', () => {
    const schema = { type: 'object', properties: { a: { type: 'number' }, b: { type: 'string', default: 'x' } }, required: ['a'] };
    expect(answered(schema, { a: 1 })).toEqual({ ok: true, value: { a: 1, b: 'x' } });
  });

  test('is not held against a pattern of the agent, which could take for ever', () => {
    expect(answered({ type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(60)}!`)).toMatchObject({ ok: true });
  });

  test('that takes too many steps to check does not fit', () => {
    const branches = Array.from({ length: 100 }, (_, i) => ({ type: 'object', properties: { a: { const: i } }, required: ['b'] }));
    const value = Array.from({ length: 5_000 }, () => ({ a: 1 }));
    expect(answered({ type: 'array', items: { anyOf: branches } }, value)).toMatchObject({ ok: false });
  });
});
