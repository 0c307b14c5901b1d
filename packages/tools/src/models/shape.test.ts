import { expect, test } from 'vitest';
import { MACHINE } from '@corral/protocol/limits';
import { contractOf } from '@corral/protocol/ports/contract';
import { ModelRequest } from './request.ts';
import { requestContract } from './shape.ts';

const { model_messages, model_parts, model_schema_bytes, model_schema_depth, model_schema_refs } = MACHINE;
const says = { role: 'user', content: [{ type: 'text', text: 'a' }] };
const many = <T>(length: number, value: T): T[] => Array.from({ length }, () => value);
const refusal = (value: unknown) => {
  const checked = requestContract.check(value);
  return checked.ok ? undefined : `${checked.where}: ${checked.message}`;
};

test.each(['a', [says], [says, { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'c', toolName: 'f', input: '{"n":1}' }] }]])(
  'a request is checked as its schema says: %j',
  (prompt) => {
    const request = { prompt, maxOutputTokens: 5 };
    expect(requestContract.check(request)).toEqual(contractOf(ModelRequest).check(request));
    expect(requestContract.schema).toEqual(contractOf(ModelRequest).schema);
  },
);

test.each([null, [], 'a', {}, { prompt: [] }, { prompt: 1 }, { prompt: 'a', other: 1 }, { prompt: [{ role: 'robot' }] }])(
  '%j is refused',
  (value) => {
    expect(requestContract.check(value).ok).toBe(false);
  },
);

test('messages and parts are counted before they are looked at, and the first part that does not fit ends the check', () => {
  const { default: messages } = model_messages;
  expect(refusal({ prompt: many(messages, says) })).toBeUndefined();
  expect(refusal({ prompt: many(messages + 1, {}) })).toMatch(/^prompt: it has 2001 messages/);
  const { default: parts } = model_parts;
  const text = { type: 'text', text: '' };
  expect(refusal({ prompt: [{ role: 'user', content: many(parts, text) }] })).toBeUndefined();
  expect(refusal({ prompt: [{ role: 'user', content: many(parts + 1, 0) }] })).toMatch(/^prompt: its messages have 8001 parts/);
  const result = { type: 'tool-result', toolCallId: 'c', toolName: 'f', output: { type: 'content', value: many(parts, text) } };
  expect(refusal({ prompt: [{ role: 'tool', content: [result] }] })).toMatch(/^prompt: its messages have 8001 parts/);
  expect(refusal({ prompt: [says, { role: 'user', content: [text, { type: 'text' }] }, ...many(500, {})] })).toMatch(
    /^prompt\.1\.content\.1\.text: /,
  );
  const odd = {
    ...result,
    output: { type: 'content', value: [text, { type: 'file', data: { type: 'url', url: 'https://example.com' } }] },
  };
  expect(refusal({ prompt: [{ role: 'tool', content: [odd] }] })).toMatch(/^prompt\.0\.content\.0\.output\.value\.1\./);
  expect(refusal({ prompt: 'a', tools: many(513, {}) })).toMatch(/^tools: there are 513 functions/);
});

const nested = (depth: number): object => (depth === 1 ? { type: 'string' } : { items: nested(depth - 1) });

test.each([
  ['bytes', { description: 'x'.repeat(model_schema_bytes.default - 18) }, { description: 'x'.repeat(model_schema_bytes.default - 17) }],
  ['nested', nested(model_schema_depth.default), nested(model_schema_depth.default + 1)],
  [
    'references',
    { anyOf: many(model_schema_refs.default, { $ref: '#/$defs/a' }) },
    { anyOf: many(model_schema_refs.default + 1, { $ref: '#/$defs/a' }) },
  ],
])('a schema of a function or of an answer is bounded: %s', (word, fits, beyond) => {
  const tool = (inputSchema: object) => ({ prompt: 'a', tools: [{ type: 'function', name: 'f', inputSchema }] });
  const format = (schema: object) => ({ prompt: 'a', responseFormat: { type: 'json', schema } });
  expect([refusal(tool(fits)), refusal(format(fits))]).toEqual([undefined, undefined]);
  expect(refusal(tool(beyond))).toContain(word);
  expect(refusal(tool(beyond))).toMatch(/^tools\.0\.inputSchema: /);
  expect(refusal(format(beyond))).toMatch(/^responseFormat\.schema: /);
});

test.each(['%61', '00', '', '0.0', '0x0', 'a~', 'a~2'])(
  'a reference of a schema is refused where its place has other texts too: %j',
  (name) => {
    const schema = (ref: string) => ({ prompt: 'a', responseFormat: { type: 'json', schema: { items: { $ref: `#/$defs/${ref}` } } } });
    expect(refusal(schema('a~0b~1c/10/0'))).toBeUndefined();
    expect(refusal(schema(name))).toMatch(/^responseFormat\.schema: a \$ref/);
  },
);
