/**
 * Models of the AI SDK's providers. A provider's package is loaded at its first call, and a key is read at each call, so that a key
 * that was changed holds at once. A provider is made for each attempt, with the attempt's own `fetch`. Retries are the host's: one
 * attempt is one request.
 */
import type { LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider';
import type { Maker } from '@corral/protocol/ports/tool';
import { answerOf } from './answer.ts';
import { attemptAt, type Attempt } from './fetch.ts';
import { ModelFailure, type Model } from './model.ts';
import type { ModelRequest } from './request.ts';
import { streamedAnswer } from './streamed.ts';

export type ProviderName = 'openai-compatible' | 'openai' | 'anthropic' | 'google' | 'bedrock';

export interface ProviderOptions {
  readonly provider: ProviderName;
  /** The model's id at the provider. */
  readonly model: string;
  readonly base_url?: string | undefined;
  /** Names of secrets. */
  readonly key?: string | undefined;
  readonly secret_key?: string | undefined;
  readonly region?: string | undefined;
  /** Settings that each call has, below those of the agent. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
  /** Refuses answers of another model than this, where the provider says which one answered. */
  readonly answers_as?: string | undefined;
}

/** Powers that models need. */
export interface ProviderPowers {
  readonly secret: (name: string) => Promise<string>;
  /** The text without the secrets that were given out. */
  readonly redact: (text: string) => string;
}

interface Keys {
  readonly key: string | undefined;
  readonly secret_key: string | undefined;
}

/**
 * Each address and each key is said, be it empty: what is left out, a provider's package takes from the host's environment, and the
 * environment could then send a prompt and the key elsewhere.
 * @throws whatever the provider's package throws for its settings
 */
export async function opened(options: ProviderOptions, { key, secret_key }: Keys, fetching: typeof fetch): Promise<LanguageModelV4> {
  const { provider, model, base_url, region = '' } = options;
  const common = { fetch: fetching, apiKey: key ?? '' };
  switch (provider) {
    case 'openai-compatible': {
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
      const given = key === undefined ? {} : { apiKey: key };
      return createOpenAICompatible({
        fetch: fetching,
        ...given,
        name: 'compatible',
        baseURL: base_url ?? '',
        supportsStructuredOutputs: true,
        // A stream is billed by what the server counts at its end.
        includeUsage: true,
        metadataExtractor: FINGERPRINT,
      })(model);
    }
    case 'openai':
      return (await import('@ai-sdk/openai')).createOpenAI({ ...common, baseURL: base_url ?? 'https://api.openai.com/v1' })(model);
    case 'anthropic':
      return (await import('@ai-sdk/anthropic')).createAnthropic({ ...common, baseURL: base_url ?? 'https://api.anthropic.com/v1' })(model);
    case 'google': {
      const { createGoogle } = await import('@ai-sdk/google');
      return createGoogle({ ...common, baseURL: base_url ?? 'https://generativelanguage.googleapis.com/v1beta' })(model);
    }
    case 'bedrock': {
      const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock');
      return createAmazonBedrock({
        fetch: fetching,
        // A token would be used in place of the configured keys.
        apiKey: '',
        region,
        accessKeyId: key ?? '',
        secretAccessKey: secret_key ?? '',
        baseURL: base_url ?? bedrockAt(region),
      })(model);
    }
  }
}

/** Keeps the `system_fingerprint` of a stream. Any other answer has it in its body. */
const FINGERPRINT = {
  extractMetadata: () => Promise.resolve(undefined),
  createStreamExtractor() {
    let fingerprint: string | undefined;
    return {
      processChunk(chunk: unknown) {
        const said =
          fingerprint === undefined ? (chunk as { readonly system_fingerprint?: unknown } | null)?.system_fingerprint : undefined;
        if (typeof said === 'string') fingerprint = said;
      },
      buildMetadata: () => (fingerprint === undefined ? undefined : { compatible: { system_fingerprint: fingerprint } }),
    };
  },
};

/** Partitions of AWS other than the public ones, as the provider's package has them. */
const AWS_PARTITIONS: Readonly<Record<string, string>> = {
  'cn-': 'amazonaws.com.cn',
  'us-iso-': 'c2s.ic.gov',
  'us-isob-': 'sc2s.sgov.gov',
  'eu-isoe-': 'cloud.adc-e.uk',
  'us-isof-': 'csp.hci.ic.gov',
  'eusc-': 'amazonaws.eu',
};

function bedrockAt(region: string): string {
  const [, domain = 'amazonaws.com'] = Object.entries(AWS_PARTITIONS).find(([prefix]) => region.startsWith(prefix)) ?? [];
  return `https://bedrock-runtime.${region}.${domain}`;
}

export function providerModel(options: ProviderOptions, powers: Pick<ProviderPowers, 'secret'>): Model {
  const { provider, model, settings, answers_as } = options;
  const maker: Maker = { provider, model };
  const secret = async (name: string | undefined) => (name === undefined ? undefined : powers.secret(name));
  return {
    maker,
    async ask(request, { signal, part }) {
      const keys = { key: await secret(options.key), secret_key: await secret(options.secret_key) };
      const attempt = attemptAt(`${model} of ${provider}`, { streams: part !== undefined });
      // Ended with the attempt, so that a connection is closed however its stream is left.
      const over = new AbortController();
      const said = (modelId: string | undefined) => {
        if (answers_as !== undefined && modelId !== undefined && modelId !== answers_as)
          throw new ModelFailure('lost', `${provider} answered with the model ${modelId}, and the configuration demands ${answers_as}.`);
      };
      try {
        const asked = await opened(options, keys, attempt.fetch);
        const call = { ...withSettings(request, settings), abortSignal: AbortSignal.any([signal, over.signal]) };
        const answer =
          part === undefined
            ? answerOf(await asked.doGenerate(call), maker)
            : await streamedAnswer((await asked.doStream(call)).stream, { maker, give: part, took: attempt.took, said });
        // A package may go on without what it could not get.
        if (attempt.failure !== undefined) throw attempt.failure;
        said(answer.response.modelId);
        return answer;
      } catch (error) {
        throw error instanceof ModelFailure ? error : failureOf(error, attempt, signal, maker);
      } finally {
        over.abort();
      }
    },
  };
}

function withSettings(request: ModelRequest, settings: ProviderOptions['settings']): LanguageModelV4CallOptions {
  const providerOptions: Record<string, Record<string, unknown>> = {};
  for (const set of [settings, request.providerOptions])
    for (const [provider, some] of Object.entries(set ?? {})) providerOptions[provider] = { ...providerOptions[provider], ...some };
  return { ...request, providerOptions } as unknown as LanguageModelV4CallOptions;
}

/** Before anything was done: 425 Too Early, 429 Too Many Requests, 503 Service Unavailable, 529 overloaded. */
const BUSY: ReadonlySet<number> = new Set([425, 429, 503, 529]);
/** 408 Request Timeout, 409 Conflict: the provider had begun. */
const UNDECIDED: ReadonlySet<number> = new Set([408, 409]);
const NOT_AUTHORISED: ReadonlySet<number> = new Set([401, 403]);
const SAID_CHARS = 500;

/** A failure in the words of the host. If a provider refuses a request, the agent reads why, because it wrote the request. */
function failureOf(cause: unknown, attempt: Attempt, signal: AbortSignal, { provider, model }: Maker): ModelFailure {
  if (attempt.failure !== undefined) return attempt.failure;
  const of = `${model} of ${provider}`;
  const said = cause instanceof Error ? cause.message.slice(0, SAID_CHARS) : '';
  if (!attempt.called)
    return signal.aborted
      ? new ModelFailure('busy', `${of} was not asked in time.`, { cause })
      : new ModelFailure('refused', `${of} cannot be asked this: ${said}`, { cause });
  const status = statusOf(cause);
  if (status === undefined || status < 400)
    return new ModelFailure('lost', `${of} answered with something that cannot be read.`, { cause });
  if (NOT_AUTHORISED.has(status)) return new ModelFailure('refused', `${provider} refused the host’s key (${status}).`, { cause });
  if (BUSY.has(status)) return new ModelFailure('busy', `${of} is not available now (${status}).`, { cause });
  if (status >= 500 || UNDECIDED.has(status))
    return new ModelFailure('lost', `${of} failed while it answered (${status}), and may bill what it did.`, { cause });
  return new ModelFailure('refused', `${of} refused the request (${status}): ${said}`, { cause });
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}
