/** Contents of calls as attributes: in the form of the conventions, within their bound, and valid JSON where they are messages. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { TELEMETRY } from '@corral/protocol/limits-telemetry';
import { CONTENT } from '@corral/telemetry/names';
import { contentOf, PRIVATE } from './content.ts';

const MOST = TELEMETRY.content_bytes.default;
const open = { input_private_to: [], result_private_to: [] };
const textsOf = (...of: Parameters<typeof contentOf>) => Object.fromEntries(contentOf(...of));
const model = (prompt: unknown, content: readonly object[], streamed?: string) =>
  textsOf(
    'model:default',
    { ...open, input: { prompt } as never },
    { id: 1, value: { content, finishReason: { unified: 'stop' } } } as never,
    streamed,
  );

test('messages have the parts of the conventions, without the bytes of files', () => {
  const said = model(
    [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: [{ type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } }] },
      { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: { at: 'a' } }] },
      { role: 'tool', content: [{ type: 'tool-result', toolCallId: 'c1', toolName: 'look', output: { type: 'text', value: 'a cat' } }] },
    ],
    [{ type: 'reasoning', text: 'hm' }],
    'A cat.',
  );
  expect(JSON.parse(said[CONTENT.input] ?? '')).toEqual([
    { role: 'system', parts: [{ type: 'text', content: 'Be short.' }] },
    { role: 'user', parts: [{ type: 'file', mime_type: 'image/png' }] },
    { role: 'assistant', parts: [{ type: 'tool_call', id: 'c1', name: 'look', arguments: '{"at":"a"}' }] },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: 'a cat' }] },
  ]);
  expect(JSON.parse(said[CONTENT.output] ?? '')).toEqual([
    {
      role: 'assistant',
      parts: [
        { type: 'text', content: 'A cat.' },
        { type: 'reasoning', content: 'hm' },
      ],
      finish_reason: 'stop',
    },
  ]);
});

test('of a long conversation the last messages are sent, with how many there were before', () => {
  const prompt = Array.from({ length: 200 }, (_, i) => ({ role: 'user', content: [{ type: 'text', text: `${i} ${'y'.repeat(1_000)}` }] }));
  const messages = JSON.parse(model(prompt, [])[CONTENT.input] ?? '') as {
    readonly parts: readonly { content?: string; count?: number }[];
  }[];
  expect(messages[0]?.parts[0]?.count).toBe(200 - (messages.length - 1));
  expect(messages.at(-1)?.parts[0]?.content).toMatch(/^199 /);
});

test('what is private is a note: the arguments, or what came of them as well', () => {
  const call = { input: { a: 1 }, input_private_to: ['ana'], result_private_to: ['ana'] };
  expect(textsOf('pay', call, { id: 1, value: 'x' }, undefined)).toEqual({ [CONTENT.arguments]: PRIVATE, [CONTENT.result]: PRIVATE });
  expect(textsOf('pay', { ...call, input_private_to: [] }, { id: 1, value: 'x' }, undefined)).toEqual({
    [CONTENT.arguments]: '{"a":1}',
    [CONTENT.result]: PRIVATE,
  });
});

test('no text is longer than the bound, and messages stay JSON', () => {
  const text = fc.string({ unit: 'binary', maxLength: 9_000, size: 'max' });
  const part = fc.record({ type: fc.constantFrom('text', 'reasoning'), text });
  const prompt = fc.array(fc.record({ role: fc.constant('user'), content: fc.array(part, { maxLength: 6 }) }), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(prompt, part, text, (asked, answer, streamed) => {
      const said = model(asked, [answer], streamed);
      for (const one of Object.values(said)) {
        expect(Buffer.byteLength(one)).toBeLessThanOrEqual(MOST);
        JSON.parse(one);
      }
    }),
    { numRuns: 40 },
  );
});
