/** A model capability as a language model of the AI SDK (`ai` 7, and 6), and as its default provider. */
import type { ModelAnswer, ModelPart, ModelRequest } from './model.ts';
import type { Capability, PartStream } from './types.ts';

type ModelCapability = Capability<ModelRequest, ModelAnswer, ModelPart, ModelAnswer>;
type Parts = Pick<PartStream<ModelPart, ModelAnswer>, 'next' | 'return' | 'result'>;
/** The options of `doGenerate`. */
type CallOptions = Readonly<Record<string, unknown>> & { readonly abortSignal?: AbortSignal; readonly prompt: readonly Message[] };
type Message = Readonly<Record<string, unknown>> & { readonly content: string | readonly Part[] };
type Part = Readonly<Record<string, unknown>> & { readonly type: string };

/** The interface `LanguageModelV4` of `@ai-sdk/provider`, or `LanguageModelV3`. */
export interface AiModel<Version extends 'v3' | 'v4' = 'v4'> {
  readonly specificationVersion: Version;
  readonly provider: string;
  readonly modelId: string;
  readonly supportedUrls: Record<string, RegExp[]>;
  doGenerate(options: never): Promise<never>;
  doStream(options: never): Promise<never>;
}

export interface AiModelOptions<Version extends 'v3' | 'v4' = 'v4'> {
  /** `v3` for `ai` 6, which takes no later one. Default: `v4`. */
  readonly specification?: Version;
  /** The name that the SDK has for it. Each answer says in `providerMetadata.corral` what made it. Default: `model`. */
  readonly modelId?: string;
}

/**
 * A language model for `generateText`, `streamText` and agents of the AI SDK: `generateText({ model: aiModel(caps.model), … })`. The
 * host retries, bills and records; the SDK does not retry it.
 */
export function aiModel<const Version extends 'v3' | 'v4' = 'v4'>(
  capability: ModelCapability,
  { modelId = 'model', specification = 'v4' as Version }: AiModelOptions<Version> = {},
): AiModel<Version> {
  const made: Made = specification === 'v3' ? v3Of : (part) => part;
  const ask = async (options: CallOptions): Promise<object> => {
    const answer = await capability(requestOf(options), signalOf(options));
    const { content, structuredOutputText } = answer;
    return {
      ...endOf(answer),
      content: content.flatMap((part) => made(part) ?? []),
      warnings: answer.warnings,
      response: responseOf(answer.response),
      ...(structuredOutputText === undefined ? {} : { structuredOutputText }),
    };
  };
  // A failure before the first part is one of the call, as it is for any provider of the SDK.
  const streamed = async (parts: Parts, signal: AbortSignal | undefined) => ({
    stream: streamOf(parts, await parts.next(), made, signal),
  });
  const stream = async (options: CallOptions): Promise<{ readonly stream: ReadableStream<object> }> => {
    try {
      return await streamed(capability.stream(requestOf(options), signalOf(options)), options.abortSignal);
    } catch (error) {
      // A tool that stands for a model may answer as a whole only.
      if ((error as { readonly code?: unknown } | null)?.code !== 'CORRAL_STREAM_UNSUPPORTED') throw error;
      return streamed(atOnce(await capability(requestOf(options), signalOf(options))), options.abortSignal);
    }
  };
  return {
    specificationVersion: specification,
    provider: 'corral',
    modelId,
    // The SDK would fetch a file by itself otherwise, and an isolate cannot.
    supportedUrls: { '*/*': [/^https?:/] },
    doGenerate: (options: CallOptions) => ask(options) as Promise<never>,
    doStream: (options: CallOptions) => stream(options) as Promise<never>,
  };
}

const signalOf = ({ abortSignal }: CallOptions) => (abortSignal === undefined ? {} : { signal: abortSignal });

/** A part of an answer as the SDK's version has it; undefined if it has none. */
type Made = (part: object) => object | undefined;

/** The third version has files without a tag, and no parts of a provider's own. */
function v3Of(part: object): object | undefined {
  const { type, data } = part as { readonly type?: unknown; readonly data?: { readonly type: string; readonly data?: unknown } };
  if (type === 'custom' || type === 'reasoning-file') return undefined;
  if (type !== 'file' || typeof data !== 'object') return part;
  return data.type === 'data' ? { ...part, data: data.data } : undefined;
}

/** The end of an answer: its reason, what it used, and who made it. */
const endOf = ({ finishReason, usage, providerMetadata, maker }: ModelAnswer) => ({
  finishReason: { raw: undefined, ...finishReason },
  usage,
  providerMetadata: { ...providerMetadata, corral: { ...maker } },
});

function responseOf({ timestamp, ...rest }: ModelAnswer['response']) {
  return { ...rest, ...(timestamp === undefined ? {} : { timestamp: new Date(timestamp) }) };
}

const NO_USAGE = { inputTokens: {}, outputTokens: {} };

/** The parts of a capability's stream for the SDK, each asked for when the SDK asks. */
function streamOf(
  parts: Parts,
  first: IteratorResult<ModelPart, undefined>,
  made: Made,
  signal: AbortSignal | undefined,
): ReadableStream<object> {
  let next: IteratorResult<ModelPart, undefined> | undefined = first;
  const pull = async (controller: ReadableStreamDefaultController<object>): Promise<void> => {
    for (;;) {
      const { done, value } = next ?? (await parts.next());
      next = undefined;
      if (done === true) {
        controller.enqueue({ type: 'finish', ...endOf(await parts.result) });
        return controller.close();
      }
      const part = made(value.type === 'response-metadata' ? { ...value, ...responseOf(value) } : value);
      if (part !== undefined) return controller.enqueue(part);
    }
  };
  return new ReadableStream(
    {
      pull: (controller) =>
        pull(controller).catch((error: unknown) => {
          // The SDK ends an aborted stream by itself. Another error is a part of the stream, which then ends as one that failed.
          if (signal?.aborted === true) return controller.error(error);
          controller.enqueue({ type: 'error', error });
          controller.enqueue({ type: 'finish', finishReason: { unified: 'error', raw: undefined }, usage: NO_USAGE });
          controller.close();
        }),
      cancel: async () => void (await parts.return()),
    },
    // Nothing is asked for ahead.
    { highWaterMark: 0 },
  );
}

/**
 * A provider for `globalThis.AI_SDK_DEFAULT_PROVIDER`, so that the AI SDK's `model: 'openai/gpt-5'` asks the capability, whatever model is
 * named there: the host's configuration says which one answers.
 */
export const aiProvider = (capability: ModelCapability) => providerBy(() => capability);

/** @param choose the capability that is asked for a model of this name */
export function providerBy(choose: (modelId: string) => ModelCapability) {
  const none = (kind: string) => (id: string) => {
    throw new TypeError(`${id}: a model capability answers with text and calls; it cannot be used as an ${kind} model.`);
  };
  return {
    specificationVersion: 'v4' as const,
    languageModel: (modelId: string) => aiModel(choose(modelId), { modelId }),
    embeddingModel: none('embedding'),
    imageModel: none('image'),
  };
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
  const { data } = part;
  if (part.type === 'tool-result') {
    // Mastra repeats the arguments, which the part of the call has.
    const { input: _, output, ...rest } = part;
    // A function may answer with files, too.
    return defined({ ...rest, output: isContent(output) ? { ...output, value: output.value.map(partOf) } : output });
  }
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

/** The parts of the stream that this answer could have been. */
export function partsOf({ content, warnings, response }: ModelAnswer): ModelPart[] {
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
  return parts as ModelPart[];
}

/** A whole answer as the stream of its parts. */
export function atOnce(answer: ModelAnswer): Parts {
  const parts = partsOf(answer);
  const next = (): IteratorResult<ModelPart, undefined> => {
    const value = parts.shift();
    return value === undefined ? { done: true, value } : { done: false, value };
  };
  return { next: async () => next(), return: async () => ({ done: true, value: undefined }), result: Promise.resolve(answer) };
}
