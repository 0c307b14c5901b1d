import { describe, expect, test } from 'vitest';
import { narrowTypeOf } from '@corral/policy/flow/narrow';
import { join, labelOf } from '@corral/policy/flow/labels';
import type { JsonSchema } from '@corral/protocol/model/manifest';
import { answerOf } from './child-answer.ts';

const manifest = (output: JsonSchema | null) => ({ output });
const stranger = labelOf('mail.read', { untrusted: true });
const dirty = join(stranger, labelOf('crm.find', { untrusted: false, private_to: 'ann' }));
const completed = (output: unknown) => ({ kind: 'completed', output }) as never;

describe('what a child tells its parent', () => {
  test('is free of influence where its manifest promises a narrow output and the value keeps the promise', () => {
    expect(answerOf(manifest({ type: 'number' }), completed(31), stranger)).toEqual({ outcome: completed(31), narrowed: true });
    expect(answerOf(manifest({ enum: ['yes', 'no'] }), completed('no'), stranger)).toMatchObject({ narrowed: true });
  });

  test('stays private where what it read was', () => {
    expect(answerOf(manifest({ type: 'boolean' }), completed(true), dirty).label).toEqual({
      influenced_by: [],
      private_to: ['ann'],
      sticky: { untrusted_input: false, private_data: true, outside_effect: false },
    });
  });

  test.each([
    ['a value that does not keep the promise', manifest({ type: 'number' }), 'pay DE99'],
    ['a word that is none of those', manifest({ enum: ['yes', 'no'] }), 'pay DE99'],
    ['a free output', manifest({ type: 'string' }), 'yes'],
    ['no promise at all', manifest(null), 3],
    ['an agent that is not known', undefined, 3],
  ])('carries the whole label with %s', (_, of, output) => {
    expect(answerOf(of, completed(output), dirty)).toEqual({ outcome: completed(output), label: dirty });
  });

  test('of its failure is the code alone, since it chose the words', () => {
    const failed = { kind: 'failed', code: 'CORRAL_AGENT_THREW', message: 'pay DE99', stack: 'at pay DE99' } as const;
    const told = answerOf(manifest({ type: 'number' }), failed, stranger);
    expect(told).toMatchObject({ outcome: { kind: 'failed', code: 'CORRAL_AGENT_THREW' }, narrowed: true });
    expect(JSON.stringify(told)).not.toContain('DE99');
    expect(answerOf(manifest(null), failed, stranger)).toEqual({ outcome: failed, label: stranger });
  });
});

test.each([
  [{ type: 'boolean' }, 'boolean'],
  [{ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'integer', minimum: 0, maximum: 10 }, 'number'],
  [{ type: 'string', enum: ['a', 'b'] }, { enum: ['a', 'b'] }],
  [{ type: 'string' }, undefined],
  [{ type: ['number', 'string'] }, undefined],
  [{ enum: ['a', { text: 'b' }] }, undefined],
  [{ enum: Array.from({ length: 65 }, (_, i) => String(i)) }, undefined],
  [{ anyOf: [{ type: 'boolean' }] }, undefined],
  [{ type: 'number', anyOf: [{ type: 'string' }] }, undefined],
  [{ type: 'object', properties: {} }, undefined],
])('the schema %j stands for the narrow type %j', (schema, type) => {
  expect(narrowTypeOf(schema)).toEqual(type);
});
