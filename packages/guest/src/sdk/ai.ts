/** A model capability as a language model of the AI SDK (`ai` 7), and as its default provider. */
import type { ModelAnswer, ModelRequest } from './model.ts';
import type { Capability } from './types.ts';

type ModelCapability = Capability<ModelRequest, ModelAnswer>;
/** The options of `doGenerate`. */
type CallOptions = Readonly<Record<string, unknown>> & { readonly abortSignal?: AbortSignal; readonly prompt: readonly Message[] };
type Message = Readonly<Record<string, unknown>> & { readonly content: string | readonly Part[] };
type Part = Readonly<Record<string, unknown>> & { readonly type: string };

/** The interface `LanguageModelV4` of `@ai-sdk/provider`. */
export interface AiModel {
  readonly specificationVersion: 'v4';
  readonly provider: string;
  readonly modelId: string;
  readonly supportedUrls: Record<string, RegExp[]>;
  doGenerate(options: never): Promise<never>;
  doStream(options: never): Promise<never>;
}

export interface AiModelOptions {
  /** The name that the SDK has for it. Each answer says in `providerMetadata.corral` what made it. Default: `model`. */
  readonly modelId?: string;
}

/**
 * A language model for `generateText`, `streamText` and agents of the AI SDK: `generateText({ model: aiModel(caps.model), … })`. The
 * host retries, bills and records; the SDK does not retry it.
 */
export function aiModel(capability: ModelCapability, { modelId = 'model' }: AiModelOptions = {}): AiModel {
  const ask = async (options: CallOptions): Promise<Generated> => {
    const { abortSignal } = options;
    const answer = await capability(requestOf(options), abortSignal === undefined ? {} : { signal: abortSignal });
    const { content, finishReason, usage, warnings, providerMetadata, response, maker, structuredOutputText } = answer;
    const { timestamp, ...rest } = response;
    return {
      content,
      finishReason: { raw: undefined, ...finishReason },
      usage,
      warnings,
      providerMetadata: { ...providerMetadata, corral: { ...maker } },
      response: { ...rest, ...(timestamp === undefined ? {} : { timestamp: new Date(timestamp) }) },
      ...(structuredOutputText === undefined ? {} : { structuredOutputText }),
    };
  };
  return {
    specificationVersion: 'v4',
    provider: 'corral',
    modelId,
    // The SDK would fetch a file by itself otherwise, and an isolate cannot.
    supportedUrls: { '*/*': [/^https?:/] },
    doGenerate: (options: CallOptions) => ask(options) as Promise<never>,
    doStream: async (options: CallOptions) => ({ stream: streamOf(await ask(options)) }) as never,
  };
}

/**
 * A provider for `globalThis.AI_SDK_DEFAULT_PROVIDER`, so that the AI SDK's `model: 'openai/gpt-5'` asks the capability, whatever model is
 * named there: the host's configuration says which one answers.
 */
export function aiProvider(capability: ModelCapability) {
  const none = (kind: string) => (id: string) => {
    throw new TypeError(`${id}: a model capability answers with text and calls; it cannot be used as an ${kind} model.`);
  };
  return {
    specificationVersion: 'v4' as const,
    languageModel: (modelId: string) => aiModel(capability, { modelId }),
    embeddingModel: none('embedding'),
    imageModel: none('image'),
  };
}

interface Generated {
  readonly structuredOutputText?: string;
  readonly content: ModelAnswer['content'];
  readonly finishReason: { readonly unified: string; readonly raw: string | undefined };
  readonly usage: ModelAnswer['usage'];
  readonly warnings: ModelAnswer['warnings'];
  readonly providerMetadata: Readonly<Record<string, unknown>>;
  readonly response: Readonly<Record<string, unknown>>;
}

/** Members of the options that are about the transport, which is the host's. */
const TRANSPORT: ReadonlySet<string> = new Set(['abortSignal', 'headers', 'includeRawChunks', 'prompt']);

function requestOf(options: CallOptions): ModelRequest {
  const rest = Object.entries(options).filter(([name, value]) => !TRANSPORT.has(name) && value !== undefined);
  const prompt = options.prompt.map((message) =>
    defined({ ...message, content: typeof message.content === 'string' ? message.content : message.content.map(partOf) }),
  );
  return { ...Object.fromEntries(rest), prompt } as unknown as ModelRequest;
}

const defined = (value: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

const isContent = (output: unknown): output is { readonly value: readonly Part[] } =>
  typeof output === 'object' &&
  output !== null &&
  'type' in output &&
  output.type === 'content' &&
  'value' in output &&
  Array.isArray(output.value);

/** A part as JSON: the bytes of a file in base64. @throws TypeError for a file that only its address is known of */
function partOf(part: Part): object {
  const { data, output } = part;
  // A function may answer with files, too.
  if (part.type === 'tool-result' && isContent(output)) return defined({ ...part, output: { ...output, value: output.value.map(partOf) } });
  if (part.type !== 'file') return defined(part);
  const tagged =
    typeof data === 'object' && data !== null && 'type' in data
      ? (data as { readonly type: string; readonly data?: unknown })
      : { type: 'data', data };
  if (tagged.type === 'text') return defined(part);
  const { data: inner } = tagged;
  if (inner instanceof Uint8Array)
    return defined({ ...part, data: { type: 'data', data: (inner as Uint8Array & { toBase64(): string }).toBase64() } });
  if (typeof inner === 'string' && tagged.type === 'data') return defined({ ...part, data: { type: 'data', data: inner } });
  throw new TypeError('A file of a prompt is given by its bytes: a model capability fetches nothing from an address.');
}

/** An answer as the parts of a stream. */
function streamOf({ content, finishReason, usage, warnings, providerMetadata, response }: Generated): ReadableStream<object> {
  const parts: object[] = [
    { type: 'stream-start', warnings },
    { type: 'response-metadata', ...response },
  ];
  for (const [i, part] of content.entries()) {
    if (part.type !== 'text' && part.type !== 'reasoning') {
      parts.push(part);
      continue;
    }
    // A provider wants back what it says of a part in the next prompt, such as the signature of its reasoning.
    const { type, text, ...more } = part;
    const id = String(i);
    parts.push({ ...more, type: `${type}-start`, id }, { type: `${type}-delta`, id, delta: text }, { ...more, type: `${type}-end`, id });
  }
  parts.push({ type: 'finish', finishReason, usage, providerMetadata });
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
}
