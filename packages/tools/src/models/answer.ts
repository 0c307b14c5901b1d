/**
 * Makes an answer of ours from the result of a provider's package. It was paid for when it came, so an odd detail must not lose it: what
 * does not fit the schema of answers is left out here.
 */
import type { LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import type { Maker } from '@corral/protocol/ports/tool';
import { ModelAnswer, textIn } from './request.ts';

export function answerOf(result: LanguageModelV4GenerateResult, maker: Maker): ModelAnswer {
  const { providerMetadata, response, structuredOutputText } = result;
  const content = typed(result.content);
  const fingerprint = fingerprintIn(providerMetadata) ?? fingerprintIn({ body: response?.body });
  const answer = {
    content,
    text: textIn(content as never),
    ...(typeof structuredOutputText === 'string' ? { structuredOutputText } : {}),
    finishReason: reasonOf(result.finishReason),
    usage: usageOf(result.usage),
    warnings: typed(result.warnings),
    ...optionsOf(providerMetadata),
    response: metadataOf(response ?? {}),
    maker: { ...maker, ...(fingerprint === undefined ? {} : { fingerprint }) },
  };
  return asJson(answer) as ModelAnswer;
}

/** The response's id, the model that answered, and when. */
export const metadataOf = ({
  id,
  modelId,
  timestamp,
}: {
  readonly id?: unknown;
  readonly modelId?: unknown;
  readonly timestamp?: unknown;
}) => ({ ...texts({ id, modelId }), ...timeOf(timestamp) });

type Loose = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value);

export const typed = (parts: unknown): Loose[] =>
  Array.isArray(parts) ? parts.filter((one): one is Loose => isObject(one) && typeof one['type'] === 'string') : [];

const texts = (some: Loose): Record<string, string> =>
  Object.fromEntries(Object.entries(some).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));

const REASONS: ReadonlySet<unknown> = new Set(ModelAnswer.shape.finishReason.shape.unified.options);

/** Providers learn new reasons, such as `interrupted`. */
function reasonOf(reason: unknown): object {
  const { unified, raw } = isObject(reason) ? reason : {};
  return { unified: REASONS.has(unified) ? unified : 'other', ...texts({ raw }) };
}

function usageOf(usage: unknown): object {
  const { inputTokens, outputTokens, raw } = isObject(usage) ? usage : {};
  return {
    inputTokens: counts(inputTokens, ['total', 'noCache', 'cacheRead', 'cacheWrite']),
    outputTokens: counts(outputTokens, ['total', 'text', 'reasoning']),
    ...(isObject(raw) ? { raw } : {}),
  };
}

/** A total that is left out is billed as reserved. */
const counts = (of: unknown, names: readonly string[]): object =>
  Object.fromEntries(Object.entries(isObject(of) ? of : {}).filter(([name, one]) => names.includes(name) && isCount(one)));

const isCount = (one: unknown): boolean => typeof one === 'number' && Number.isFinite(one) && one >= 0;

function timeOf(time: unknown): { readonly timestamp?: string } {
  return time instanceof Date && !Number.isNaN(time.getTime()) ? { timestamp: time.toISOString() } : {};
}

function optionsOf(metadata: unknown): object {
  if (!isObject(metadata)) return {};
  return { providerMetadata: Object.fromEntries(Object.entries(metadata).filter(([, one]) => isObject(one))) };
}

/** OpenAI's `system_fingerprint`: the configuration of the back end that answered. */
function fingerprintIn(of: unknown): string | undefined {
  if (!isObject(of)) return undefined;
  for (const one of Object.values(of)) {
    const said = isObject(one) ? one['system_fingerprint'] : undefined;
    if (typeof said === 'string') return said.slice(0, 200);
  }
  return undefined;
}

/** As JSON: bytes in base64; what is undefined is left out. */
export function asJson(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_name, one: unknown) => (one instanceof Uint8Array ? Buffer.from(one).toString('base64') : one)),
  );
}
