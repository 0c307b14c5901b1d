/**
 * Models of the AI SDK's providers. A provider's package is loaded at its first call, and a key is read at each call, so that a key
 * that was changed holds at once. Retries are the host's: one attempt is one request.
 */
import type { LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider';
import type { Maker } from '@corral/protocol/ports/tool';
import { ModelFailure, type Model } from './model.ts';
import { textIn, type ModelAnswer, type ModelRequest } from './request.ts';

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

/** Powers that providers need. */
export interface ProviderPowers {
  readonly secret: (name: string) => Promise<string>;
  readonly fetch: typeof fetch;
}

interface Keys {
  readonly key: string | undefined;
  readonly secret_key: string | undefined;
}

/** @throws whatever the provider's package throws for its settings */
async function opened(options: ProviderOptions, { key, secret_key }: Keys, fetching: typeof fetch): Promise<LanguageModelV4> {
  const { provider, model, base_url: baseURL, region } = options;
  // An empty key keeps a provider from looking for one in the host's environment.
  const common = { fetch: fetching, apiKey: key ?? '', ...(baseURL === undefined ? {} : { baseURL }) };
  switch (provider) {
    case 'openai-compatible': {
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
      const { apiKey: _, ...rest } = common;
      const given = key === undefined ? {} : { apiKey: key };
      return createOpenAICompatible({ ...rest, ...given, name: 'compatible', baseURL: baseURL ?? '', supportsStructuredOutputs: true })(
        model,
      );
    }
    case 'openai':
      return (await import('@ai-sdk/openai')).createOpenAI(common)(model);
    case 'anthropic':
      return (await import('@ai-sdk/anthropic')).createAnthropic(common)(model);
    case 'google':
      return (await import('@ai-sdk/google')).createGoogle(common)(model);
    case 'bedrock': {
      const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock');
      const { apiKey: _, ...rest } = common;
      return createAmazonBedrock({ ...rest, region: region ?? '', accessKeyId: key ?? '', secretAccessKey: secret_key ?? '' })(model);
    }
  }
}

/** A redirect could carry the key to another place. */
export const withoutRedirects =
  (fetching: typeof fetch): typeof fetch =>
  (input, init) =>
    fetching(input, { ...init, redirect: 'error' });

export function providerModel(options: ProviderOptions, powers: ProviderPowers): Model {
  const { provider, model, settings } = options;
  const maker: Maker = { provider, model };
  let last: { readonly keys: Keys; readonly opened: Promise<LanguageModelV4> } | undefined;
  const fetching = withoutRedirects(powers.fetch);
  const secret = async (name: string | undefined) => (name === undefined ? undefined : powers.secret(name));
  return {
    maker,
    async ask(request, { signal }) {
      const keys = { key: await secret(options.key), secret_key: await secret(options.secret_key) };
      if (last === undefined || last.keys.key !== keys.key || last.keys.secret_key !== keys.secret_key)
        last = { keys, opened: opened(options, keys, fetching) };
      const asked = await last.opened;
      const answer = await generated(asked, { ...withSettings(request, settings), abortSignal: signal }, maker);
      const { answers_as } = options;
      const who = answer.response.modelId;
      if (answers_as !== undefined && who !== undefined && who !== answers_as)
        throw new ModelFailure('lost', `${provider} answered with the model ${who}, and the configuration demands ${answers_as}.`);
      return answer;
    },
  };
}

function withSettings(request: ModelRequest, settings: ProviderOptions['settings']): LanguageModelV4CallOptions {
  const providerOptions: Record<string, Record<string, unknown>> = {};
  for (const set of [settings, request.providerOptions])
    for (const [provider, some] of Object.entries(set ?? {})) providerOptions[provider] = { ...providerOptions[provider], ...some };
  return { ...request, providerOptions } as unknown as LanguageModelV4CallOptions;
}

async function generated(model: LanguageModelV4, options: LanguageModelV4CallOptions, maker: Maker): Promise<ModelAnswer> {
  let result: Awaited<ReturnType<LanguageModelV4['doGenerate']>>;
  try {
    result = await model.doGenerate(options);
  } catch (error) {
    throw failureOf(error, maker);
  }
  const { content, finishReason, usage, warnings, providerMetadata, response } = result;
  const fingerprint = fingerprintIn(providerMetadata) ?? fingerprintIn({ body: response?.body });
  const answer = {
    content,
    text: textIn(content as never),
    finishReason,
    usage,
    warnings,
    ...(providerMetadata === undefined ? {} : { providerMetadata }),
    response: { id: response?.id, modelId: response?.modelId, timestamp: response?.timestamp },
    maker: { ...maker, ...(fingerprint === undefined ? {} : { fingerprint }) },
  };
  return asJson(answer) as ModelAnswer;
}

/** OpenAI's `system_fingerprint`: the configuration of the back end that answered. */
function fingerprintIn(of: unknown): string | undefined {
  if (typeof of !== 'object' || of === null) return undefined;
  for (const one of Object.values(of as Record<string, unknown>)) {
    const said = (one as Record<string, unknown> | null | undefined)?.['system_fingerprint'];
    if (typeof said === 'string') return said.slice(0, 200);
  }
  return undefined;
}

/** The answer as JSON: bytes in base64, dates as text; what is undefined is left out. */
function asJson(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_name, one: unknown) => (one instanceof Uint8Array ? Buffer.from(one).toString('base64') : one)),
  );
}

/** Errors of a connection that was never made, so that nothing was sent. */
const NEVER_SENT: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const BUSY: ReadonlySet<number> = new Set([408, 409, 425, 429]);
const NOT_AUTHORISED: ReadonlySet<number> = new Set([401, 403]);
const SAID_CHARS = 500;

/** A failure in the words of the host. If a provider refuses a request, the agent reads why, because it wrote the request. */
function failureOf(error: unknown, { provider, model }: Maker): ModelFailure {
  const of = `${model} of ${provider}`;
  const status = statusOf(error);
  if (status === undefined) {
    return NEVER_SENT.has(codeOf(error))
      ? new ModelFailure('busy', `${of} cannot be reached.`, { cause: error })
      : isUnread(error)
        ? new ModelFailure('lost', `${of} answered with something that cannot be read.`, { cause: error })
        : new ModelFailure('lost', `The connection to ${of} broke before its answer had come.`, { cause: error });
  }
  if (status >= 200 && status < 300)
    return new ModelFailure('lost', `${of} answered with something that cannot be read.`, { cause: error });
  if (NOT_AUTHORISED.has(status)) return new ModelFailure('refused', `${provider} refused the host’s key (${status}).`, { cause: error });
  if (BUSY.has(status) || status >= 500) return new ModelFailure('busy', `${of} is not available now (${status}).`, { cause: error });
  const said = error instanceof Error ? error.message.slice(0, SAID_CHARS) : '';
  return new ModelFailure('refused', `${of} refused the request (${status}): ${said}`, { cause: error });
}

const statusOf = (error: unknown): number | undefined => {
  const status = (error as { readonly statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
};

const isUnread = (error: unknown): boolean =>
  error instanceof Error && /^AI_(?:JSONParse|TypeValidation|InvalidResponseData|EmptyResponseBody)Error$/.test(error.name);

function codeOf(error: unknown): unknown {
  let at: unknown = error;
  for (let depth = 0; depth < 6 && typeof at === 'object' && at !== null; depth++) {
    const { code, cause } = at as { readonly code?: unknown; readonly cause?: unknown };
    if (typeof code === 'string') return code;
    at = cause;
  }
  return undefined;
}
