/** Models in a configuration (`models`). */
import * as z from 'zod';
import { ModelName } from '@corral/protocol/ids';
import type { Json } from '@corral/protocol/json';
import { MACHINE } from '@corral/protocol/limits';

const { model_timeout_ms, model_output_tokens, retry_attempts } = MACHINE;
const price = z.number().min(0).max(1e9);
const Price = z.union([
  z.literal('free').describe('it costs nothing, such as a model of your own'),
  z.strictObject({
    input: price.describe('for a million tokens of the prompt, in the tenants’ currency'),
    output: price.describe('for a million tokens of the answer'),
    cache_read: price.exactOptional().describe('for tokens of the prompt that the provider had in its cache; left out: as `input`'),
    cache_write: price.exactOptional().describe('for tokens that it put there; left out: as `input`'),
  }),
  z.strictObject({ per_usd: price.describe('the published price in US dollars, times this') }),
]);

const common = {
  price: Price.exactOptional().describe('left out: the published price in US dollars, by `@pydantic/genai-prices`'),
  max_output_tokens: z
    .int()
    .min(1)
    .max(model_output_tokens.max)
    .default(model_output_tokens.default)
    .describe('the most tokens of an answer, also where an agent asks for more; they are reserved before the call'),
  file_tokens: z
    .int()
    .min(1)
    .max(10_000_000)
    .exactOptional()
    .describe(
      'tokens that a file in a prompt counts for, such as an image, or its bytes if it is none; left out: prompts with files are refused',
    ),
  pdf_tokens: z
    .int()
    .min(1)
    .max(10_000_000)
    .exactOptional()
    .describe('tokens that a PDF in a prompt counts for; left out: prompts with one are refused'),
  timeout_ms: z.int().min(1).max(model_timeout_ms.max).default(model_timeout_ms.default).describe('time of one attempt'),
  hears: z
    .array(z.string().min(1).max(200))
    .max(16)
    .exactOptional()
    .describe('whose private data it may be told, as `private_to` names it; `[]`: nobody’s. Left out: it is not restricted'),
  fallbacks: z
    .array(ModelName)
    .max(retry_attempts.max - 1)
    .default([])
    .describe(
      'models of this configuration that are asked at the second and later attempts, if this one is not available; of the same provider, since policies know the first of them',
    ),
  provider_options: z
    .array(z.string().regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/, 'a provider and a setting, such as openai.reasoningEffort'))
    .max(64)
    .default([])
    .describe(
      'settings of the provider that agents may choose, as far as its fallbacks permit them too; those of openai-compatible are `compatible.…`',
    ),
};

const secret = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, 'the name of a secret');
const id = z.string().min(1).max(200).describe('the id of the model at its provider');
const address = z.url({ protocol: /^https?$/ });
const hosted = {
  model: id,
  settings: z
    .record(z.string(), z.record(z.string(), z.unknown()))
    .exactOptional()
    .describe('settings of every call, by provider: `{ openai: { reasoningEffort: "low" } }`'),
};

/** Not of google and bedrock, which do not say which model answered. */
const stating = {
  answers_as: z
    .string()
    .max(200)
    .exactOptional()
    .describe('the id that answers must state, such as a dated version; an answer of another model is refused'),
};

const Turn = z.strictObject({
  when: z
    .strictObject({
      matches: z
        .string()
        .max(2000)
        .exactOptional()
        .describe('a pattern (RE2) for the last words of the user, or the last results of tools'),
      after: z.string().max(200).exactOptional().describe('the tool whose result came last'),
      answers: z.int().min(0).exactOptional().describe('how many answers it has given in this conversation'),
    })
    .exactOptional(),
  say: z
    .union([z.string(), z.array(z.string()).max(10_000)])
    .exactOptional()
    .describe('`$1` is the first group of the pattern; a stream hands it over word by word, and a list as it is'),
  call: z
    .array(z.strictObject({ tool: z.string().max(200), input: (z.unknown() as z.ZodType<Json>).exactOptional() }))
    .max(64)
    .exactOptional()
    .describe('functions that it asks for; in their inputs `$1` is the first group, and `$1:number` that group as a number'),
  fail: z
    .enum(['busy', 'refused', 'lost'])
    .exactOptional()
    .describe('it fails; `busy`: another attempt may succeed. A stream says first what there is to say'),
  pace_ms: z.int().min(1).max(60_000).exactOptional().describe('a stream waits so long before each part'),
});

export const ModelConfig = z.discriminatedUnion('provider', [
  z.strictObject({
    provider: z.literal('openai-compatible').describe('Ollama, vLLM, llama.cpp, and other servers with OpenAI’s API'),
    base_url: address.describe('such as http://127.0.0.1:11434/v1'),
    key: secret.exactOptional(),
    ...hosted,
    ...stating,
    ...common,
  }),
  ...(['openai', 'anthropic'] as const).map((provider) =>
    z.strictObject({ provider: z.literal(provider), key: secret, base_url: address.exactOptional(), ...hosted, ...stating, ...common }),
  ),
  z.strictObject({ provider: z.literal('google'), key: secret, base_url: address.exactOptional(), ...hosted, ...common }),
  z.strictObject({
    provider: z.literal('bedrock'),
    region: z.string().min(1).max(64),
    key: secret.describe('name of the secret that holds the access key’s id'),
    secret_key: secret.describe('name of the secret that holds the secret access key'),
    base_url: address.exactOptional(),
    ...hosted,
    ...common,
  }),
  z.strictObject({
    provider: z.literal('scripted').describe('follows rules and asks nobody; each answer says so'),
    turns: z.array(Turn).min(1).max(1000).describe('the first rule that fits answers'),
    ...common,
  }),
  z.strictObject({
    provider: z.literal('recorded').describe('repeats answers that were written down; each answer says so'),
    file: z.string().min(1).max(4096).describe('JSON Lines, relative to the configuration file'),
    of: ModelName.exactOptional().describe(
      'a model of this configuration that is asked what was not recorded yet; its price, bounds, `hears` and `provider_options` hold, and policies know it as that model',
    ),
    ...common,
  }),
]);
export type ModelConfig = z.output<typeof ModelConfig>;
export const Models = z.record(ModelName, ModelConfig);
export type Models = z.output<typeof Models>;
