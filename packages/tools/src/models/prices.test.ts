import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { mostOf } from './bill.ts';
import { pricesOf, type PriceOption } from './prices.ts';

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

test('a token that may be kept in the provider’s cache for an hour is billed and reserved at twice the price, unless its price is stated', () => {
  const used = { input: 1000, cache_read: 0, cache_write: 1000, output: 0 };
  for (const [maker, said] of [
    [{ provider: 'anthropic', model: 'claude-sonnet-4-5' }, undefined],
    [
      { provider: 'mine', model: 'm' },
      { input: 3, output: 15 },
    ],
  ] as const) {
    const prices = pricesOf(maker, said, true);
    if (prices === undefined) throw new Error('the price is unknown');
    expect(prices(used)).toBe(6000);
    expect(mostOf(prices, { input: 1000, output: 0 })).toBe(6000);
  }
  const stated = pricesOf({ provider: 'mine', model: 'm' }, { input: 3, output: 15, cache_write: 4 }, true);
  expect(stated?.(used)).toBe(4000);
});
