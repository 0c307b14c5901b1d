import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { mostTokens } from './bound.ts';
import { mostOf, pricesOf, type PriceOption } from './prices.ts';
import { ModelRequest } from './request.ts';

const known: readonly (readonly [string, string, PriceOption | undefined])[] = [
  ['openai', 'gpt-5', undefined],
  ['anthropic', 'claude-sonnet-4-5', undefined],
  ['google', 'gemini-2.5-pro', { per_usd: 0.9 }],
  ['bedrock', 'anthropic.claude-sonnet-4-20250514-v1:0', undefined],
  ['mine', 'm', { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 }],
  ['mine', 'm', 'free'],
];

test.each(known)(
  'an answer of %s %s never costs more than was reserved for its tokens, whatever was cached of it',
  (provider, model, said) => {
    const prices = pricesOf({ provider, model }, said);
    if (prices === undefined) throw new Error('the price is unknown');
    const tokens = fc.nat(1_000_000);
    fc.assert(
      fc.property(tokens, tokens, tokens, tokens, (input, read, write, output) => {
        const cache_read = Math.min(read, input);
        const cache_write = Math.min(write, input - cache_read);
        const bill = prices({ input, cache_read, cache_write, output });
        expect(Number.isSafeInteger(bill)).toBe(true);
        expect(bill).toBeLessThanOrEqual(mostOf(prices, { input, output }));
      }),
    );
  },
);

test('more tokens never cost less', () => {
  const prices = pricesOf({ provider: 'anthropic', model: 'claude-sonnet-4-5' }, undefined);
  if (prices === undefined) throw new Error('the price is unknown');
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.nat(1_000_000), (some, more) => {
      const one = { cache_read: 0, cache_write: 0, output: 10 };
      expect(prices({ ...one, input: some })).toBeLessThanOrEqual(prices({ ...one, input: some + more }));
    }),
  );
});

test('a model whose price nobody knows has none', () => {
  expect(pricesOf({ provider: 'openai', model: 'no-such' }, undefined)).toBeUndefined();
  expect(pricesOf({ provider: 'openai-compatible', model: 'llama' }, undefined)).toBeUndefined();
});

test('a request is bounded by the bytes of all that is sent: words of any script, schemas of functions, results', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), (one, two) => {
      const request = ModelRequest.parse({
        prompt: [
          { role: 'system', content: one },
          { role: 'user', content: [{ type: 'text', text: two }] },
        ],
        tools: [{ type: 'function', name: 'f', description: one, inputSchema: { type: 'object' } }],
      });
      const most = mostTokens(request, { max_output_tokens: 10 });
      if (typeof most === 'string') throw new Error(most);
      expect(most.input).toBeGreaterThanOrEqual(2 * Buffer.byteLength(one.toWellFormed()) + Buffer.byteLength(two.toWellFormed()));
      expect(most.output).toBe(10);
    }),
  );
});

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
