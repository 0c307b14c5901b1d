import { expect, test } from 'vitest';
import { ModelRequest } from './request.ts';

test('the parts of an answer can be put into the next prompt as they are', () => {
  const content = [
    { type: 'text', text: 'a', providerMetadata: { openai: { itemId: 'x' } } },
    { type: 'source', sourceType: 'url', id: '1', url: 'https://example.com' },
    { type: 'tool-call', toolCallId: 'c', toolName: 'f', input: '{"n":1}' },
  ];
  expect(ModelRequest.parse({ prompt: [{ role: 'assistant', content }] }).prompt).toEqual([
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'a', providerOptions: { openai: { itemId: 'x' } } },
        { type: 'tool-call', toolCallId: 'c', toolName: 'f', input: { n: 1 } },
      ],
    },
  ]);
});

const asked = (content: readonly object[]) => ModelRequest.parse({ prompt: [{ role: 'assistant', content }] }).prompt;
const bytes = { type: 'data', data: 'aGVsbG8=' };
const meta = { providerMetadata: { google: { thoughtSignature: 's' } } };

test('of the parts of an answer that no prompt can hold nothing is sent, and the others are', () => {
  expect(
    asked([
      { type: 'file', mediaType: 'image/png', data: bytes, ...meta },
      { type: 'file', mediaType: 'image/png', data: { type: 'url', url: 'https://example.com/a.png' } },
      { type: 'tool-call', toolCallId: 'a', toolName: 'f', input: '{}', dynamic: true },
      { type: 'tool-call', toolCallId: 'b', toolName: 'search', input: '{}', providerExecuted: true },
      { type: 'tool-result', toolCallId: 'b', toolName: 'search', result: { found: 1 } },
      { type: 'custom', kind: 'openai.compaction', ...meta },
      { type: 'reasoning-file', mediaType: 'image/png', data: bytes },
      { type: 'tool-approval-request', approvalId: 'x', toolCallId: 'b' },
    ]),
  ).toEqual([
    {
      role: 'assistant',
      content: [
        { type: 'file', mediaType: 'image/png', data: bytes, providerOptions: { google: { thoughtSignature: 's' } } },
        { type: 'tool-call', toolCallId: 'a', toolName: 'f', input: {} },
      ],
    },
  ]);
  const approval = { role: 'tool', content: [{ type: 'tool-approval-response', approvalId: 'x', approved: true }] };
  expect(ModelRequest.parse({ prompt: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }, approval] }).prompt).toHaveLength(1);
});

const result = (output: object) => ({
  prompt: [{ role: 'tool', content: [{ type: 'tool-result', toolCallId: 'c', toolName: 'f', output }] }],
});

test.each([
  { type: 'text', value: 'a' },
  { type: 'json', value: { a: [1] } },
  { type: 'error-text', value: 'a' },
  { type: 'error-json', value: null },
  { type: 'execution-denied', reason: 'no' },
  {
    type: 'content',
    value: [
      { type: 'text', text: 'a' },
      { type: 'file', mediaType: 'image/png', data: bytes },
    ],
  },
])('a result of a function may be %j', (output) => {
  expect(ModelRequest.parse(result(output))).toEqual(result(output));
});

test.each([
  { type: 'content', value: [{ type: 'file', mediaType: 'image/png', data: { type: 'url', url: 'https://example.com/?secret' } }] },
  { type: 'content', value: [{ type: 'file', mediaType: 'image/png', data: { type: 'reference', reference: { openai: 'file-1' } } }] },
  { type: 'content', value: [{ type: 'image-url', url: 'https://example.com/?secret' }] },
  { type: 'content', value: [{ type: 'custom', providerOptions: { anthropic: {} } }] },
  { type: 'text', value: 'a', url: 'https://example.com' },
  { type: 'text', value: { a: 1 } },
])('a result of a function with an address, a reference or something unknown is refused: %j', (output) => {
  expect(ModelRequest.safeParse(result(output)).success).toBe(false);
});
