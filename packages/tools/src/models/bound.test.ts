import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { mostTokens, type Bounds } from './bound.ts';
import { ModelRequest } from './request.ts';

test('a request is bounded by the bytes of all that is sent: words of any script, schemas of functions, results', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), (one, two) => {
      const request = ModelRequest.parse({
        prompt: [
          { role: 'system', content: one },
          { role: 'user', content: [{ type: 'text', text: two }] },
        ],
        tools: [{ type: 'function', name: 'f', description: one, inputSchema: { type: 'object' } }],
        providerOptions: { openai: { instructions: two } },
      });
      const most = mostTokens(request, { max_output_tokens: 10 });
      if (typeof most === 'string') throw new Error(most);
      expect(most.input).toBeGreaterThanOrEqual(2 * Buffer.byteLength(one.toWellFormed()) + 2 * Buffer.byteLength(two.toWellFormed()));
      expect(most.output).toBe(10);
    }),
  );
});

/** Tokens of the input beyond those of the same file without a byte. */
function counted(file: object, bounds: Omit<Bounds, 'max_output_tokens'>, inResult = false): number | string {
  const result = { type: 'tool-result', toolCallId: 'c', toolName: 'f', output: { type: 'content', value: [file] } };
  const message = inResult ? { role: 'tool', content: [result] } : { role: 'user', content: [file] };
  const most = mostTokens(ModelRequest.parse({ prompt: [message] }), { max_output_tokens: 10, ...bounds });
  return typeof most === 'string' ? most : most.input;
}
const file = (mediaType: string, bytes: string | Uint8Array, more: object = {}) => ({
  type: 'file',
  mediaType,
  data: { type: 'data', data: Buffer.from(bytes).toString('base64') },
  ...more,
});

test.each([false, true])(
  'a text in a file counts as its bytes where they are more than a file, an image as a file; in a result: %s',
  (result) => {
    const text = 'x'.repeat(9000);
    const base = counted(file('image/png', text), { file_tokens: 100 }, result) as number;
    expect(base).toBeLessThan(500);
    for (const type of ['text/csv', 'application/json', 'image/svg+xml', 'text', 'audio/wav'])
      expect(counted(file(type, text), { file_tokens: 100 }, result)).toBeGreaterThanOrEqual(9000);
    expect(counted(file('image/png', text), {}, result)).toMatch(/file_tokens/);
  },
);

test('a PDF has a number of its own, whatever its media type says', () => {
  for (const pdf of [
    file('application/pdf', 'x'),
    file('Application/*', 'x'),
    file('image/png', '%PDF-1.7'),
    file('text/plain', '%PDF-1.7'),
  ]) {
    expect(counted(pdf, { file_tokens: 100 })).toMatch(/pdf_tokens/);
    expect(counted(pdf, { pdf_tokens: 50_000 })).toBeGreaterThan(50_000);
  }
});

test('the name and the settings of a file are counted, and a value that looks like a file counts as what it is', () => {
  const plain = counted(file('image/png', 'x'), { file_tokens: 1 }) as number;
  expect(counted(file('image/png', 'x', { filename: 'n'.repeat(300) }), { file_tokens: 1 })).toBeGreaterThan(plain + 300);
  const output = { type: 'json', value: file('image/png', 'x'.repeat(5000)) };
  const prompt = [{ role: 'tool', content: [{ type: 'tool-result', toolCallId: 'c', toolName: 'f', output }] }];
  const most = mostTokens(ModelRequest.parse({ prompt }), { max_output_tokens: 10, file_tokens: 1 });
  expect(typeof most === 'string' ? 0 : most.input).toBeGreaterThan(5000);
});
