/** Prices of models: those of the configuration, else those that `@pydantic/genai-prices` knows (US dollars for a million tokens). */
import { calcPrice } from '@pydantic/genai-prices';
import { MICROS } from '@corral/protocol/limits';
import type { Maker } from '@corral/protocol/ports/tool';
import type { Prices, Used } from './bill.ts';

/** Prices for a million tokens, in the tenant's currency. */
export interface OwnPrices {
  readonly input: number;
  readonly output: number;
  readonly cache_read?: number;
  readonly cache_write?: number;
}
export type PriceOption = 'free' | OwnPrices | { readonly per_usd: number };

const MILLION = 1_000_000;
const micros = (amount: number) => Math.ceil(Math.round(amount * MICROS * 1000) / 1000);

/**
 * @param writes whether tokens may be written to the provider’s cache at its dearest price, which is for an hour: nobody counts these
 * apart, so that each written token costs that. A price of the configuration that states `cache_write` is taken as it is.
 * @returns undefined if nobody knows what the model costs
 */
export function pricesOf(maker: Maker, said: PriceOption | undefined, writes = false): Prices | undefined {
  const prices = plainPrices(maker, said);
  const stated = said !== undefined && said !== 'free' && 'cache_write' in said && said.cache_write !== undefined;
  if (prices === undefined || !writes || stated) return prices;
  return (used) => Math.max(prices(used), prices({ ...used, input: used.input + (HOUR - 1) * used.cache_write, cache_write: 0 }));
}

/** Plain tokens that cost as much as one that a provider keeps in its cache for an hour. */
const HOUR = 2;

function plainPrices({ provider, model }: Maker, said: PriceOption | undefined): Prices | undefined {
  if (said === 'free') return () => 0;
  if (said !== undefined && 'input' in said) {
    const { input, output, cache_read = input, cache_write = input } = said;
    return (used) => {
      const plain = Math.max(0, used.input - used.cache_read - used.cache_write);
      const sum = plain * input + used.cache_read * cache_read + used.cache_write * cache_write + used.output * output;
      return micros(sum / MILLION);
    };
  }
  const per_usd = said?.per_usd ?? 1;
  const priced = (used: Used) =>
    calcPrice(
      { input_tokens: used.input, cache_read_tokens: used.cache_read, cache_write_tokens: used.cache_write, output_tokens: used.output },
      model,
      { providerId: PROVIDERS[provider] ?? provider },
    );
  if (priced({ input: 1, cache_read: 0, cache_write: 0, output: 1 }) === null) return undefined;
  return (used) => micros((priced(used)?.total_price ?? 0) * per_usd);
}

/** Our names of providers, as the table of prices has them. */
const PROVIDERS: Readonly<Record<string, string>> = { bedrock: 'aws' };
