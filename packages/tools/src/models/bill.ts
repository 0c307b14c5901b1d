/** The bill of an answer: the tokens that count, and the most that they can cost. */
import type { Usage } from './request.ts';

/** Tokens of one answer. `input` is the total, with what was read from or written to the provider's cache. */
export interface Used {
  readonly input: number;
  readonly cache_read: number;
  readonly cache_write: number;
  readonly output: number;
}

/** The cost of an answer in millionths of the currency, rounded up. */
export type Prices = (used: Used) => number;

/** Maximum cost of these tokens, whether the provider caches them or not. */
export const mostOf = (prices: Prices, { input, output }: { readonly input: number; readonly output: number }): number =>
  Math.max(prices({ input, cache_read: 0, cache_write: 0, output }), prices({ input, cache_read: 0, cache_write: input, output }));

/** Tokens of an answer; undefined if the provider did not count. */
export function usedOf({ inputTokens, outputTokens }: Usage): Used | undefined {
  if (inputTokens.total === undefined || outputTokens.total === undefined) return undefined;
  const { cacheRead = 0, cacheWrite = 0 } = inputTokens;
  return { input: inputTokens.total, cache_read: cacheRead, cache_write: cacheWrite, output: outputTokens.total };
}
