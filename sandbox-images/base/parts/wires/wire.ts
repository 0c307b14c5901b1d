/** A wire: the requests and answers of one HTTP API, made from and to those of a model capability. */
import type { ModelAnswer, ModelMessage, ModelRequest, ModelUsage, ProviderOptions } from '@corral/guest';
import { parsed, Refused, type Fields } from './members.ts';

/** A part of an answer, whole or of a stream: `LanguageModelV4StreamPart` of the AI SDK as JSON. */
export type Part = { readonly type: string } & Fields;

/** A request as it was read. */
export interface Asked {
  readonly request: ModelRequest;
  readonly stream: boolean;
  /** The model that it names. */
  readonly model: string | undefined;
}

/** Facts that an answer states beside its words. */
export interface Frame {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Differs for each answer of an isolate. */
  readonly n: number;
  /** The body of the request. */
  readonly body: Fields;
}

/** Writes the events of one stream. */
export interface Events {
  /** @returns the text of the events that this part is */
  write(part: Part): string;
}

export interface Wire {
  read(body: Fields): Asked;
  answer(answer: ModelAnswer, frame: Frame): object;
  events(frame: Frame): Events;
  error(failure: Failure): object;
}

export interface Failure {
  readonly status: number;
  readonly message: string;
  readonly code: string;
  readonly param?: string | undefined;
  readonly details?: Fields | undefined;
}

type Assistant = Extract<ModelMessage, { readonly role: 'assistant' }>;
type FromTools = Extract<ModelMessage, { readonly role: 'tool' }>;
type AssistantPart = Assistant['content'][number];
type ToolPart = FromTools['content'][number];

/** A conversation while it is read: what one role says in a row becomes one message. */
export class Conversation {
  readonly messages: ModelMessage[] = [];
  readonly #names = new Map<string, string>();

  system(content: string, settings?: ProviderOptions): void {
    this.messages.push({ role: 'system', content, ...options(settings) });
  }
  user(content: Extract<ModelMessage, { readonly role: 'user' }>['content']): void {
    this.messages.push({ role: 'user', content });
  }
  assistant(...parts: readonly AssistantPart[]): void {
    for (const part of parts) if (part.type === 'tool-call') this.#names.set(part.toolCallId, part.toolName);
    const last = this.messages.at(-1);
    if (last?.role === 'assistant') this.messages[this.messages.length - 1] = { ...last, content: [...last.content, ...parts] };
    else this.messages.push({ role: 'assistant', content: parts });
  }
  /** The result of a call that the conversation has. @throws Refused */
  result(toolCallId: string, output: ToolPart['output'], path: string, settings?: ProviderOptions): void {
    const toolName = this.#names.get(toolCallId);
    if (toolName === undefined) throw new Refused(`${path} answers the call ${toolCallId}, which no message before it makes.`, path);
    const part = { type: 'tool-result' as const, toolCallId, toolName, output, ...options(settings) };
    const last = this.messages.at(-1);
    if (last?.role === 'tool') this.messages[this.messages.length - 1] = { ...last, content: [...last.content, part] };
    else this.messages.push({ role: 'tool', content: [part] });
  }
}

export const options = (settings: ProviderOptions | undefined): { readonly providerOptions?: ProviderOptions } =>
  settings === undefined ? {} : { providerOptions: settings };

/** A call as it stands in a prompt, with what its provider wants back of it. */
export const callPart = (toolCallId: string, toolName: string, input: unknown): AssistantPart => ({
  type: 'tool-call',
  toolCallId,
  toolName,
  input,
  ...options(echoes.get(toolCallId)),
});

/**
 * Settings that providers added to calls, such as the signature of a thought, and want back with them in the next prompt. No wire has a place for
 * it, so it is kept by the call’s id.
 */
const echoes = new Map<string, ProviderOptions>();
const MOST_ECHOES = 4096;

export function keepEcho(part: Part): void {
  const { toolCallId, providerMetadata } = part as { readonly toolCallId?: string; readonly providerMetadata?: ProviderOptions };
  if (toolCallId === undefined || providerMetadata === undefined) return;
  echoes.set(toolCallId, providerMetadata);
  if (echoes.size > MOST_ECHOES) echoes.delete(echoes.keys().next().value as string);
}

const SEAL = 'corral:';

/** The settings that a provider added to its reasoning, as the opaque text that these wires have for them. */
export const sealed = (metadata: ProviderOptions | undefined): string => SEAL + JSON.stringify(metadata ?? {});
/** @param own the settings for a text that a provider made itself */
export function unsealed(text: string, own: ProviderOptions): ProviderOptions | undefined {
  if (!text.startsWith(SEAL)) return own;
  const metadata = parsed(text.slice(SEAL.length));
  return typeof metadata === 'object' && metadata !== null && Object.keys(metadata).length > 0 ? (metadata as ProviderOptions) : undefined;
}

const DATA_URL = /^data:([^;,]+)(?:;[^;,]+)*;base64,(.*)$/s;

/** A file by its `data:` address. @throws Refused for any other address, since a provider would fetch what an agent chose */
export function fileAt(address: string, path: string, filename?: string) {
  const [, mediaType, data] = DATA_URL.exec(address) ?? [];
  if (mediaType === undefined || data === undefined)
    throw new Refused(`${path} is a file by its address; a model capability takes its bytes, as data:TYPE;base64,…`, path);
  return fileOf(mediaType, data, filename);
}
export const fileOf = (mediaType: string, data: string, filename?: string) => ({
  type: 'file' as const,
  mediaType,
  data: { type: 'data' as const, data },
  ...(filename === undefined ? {} : { filename }),
});

/** Numbers of a bill. `known`: the provider has counted. */
export function tokensOf({ inputTokens, outputTokens }: ModelUsage) {
  const { total: input = 0, cacheRead = 0, cacheWrite = 0 } = inputTokens;
  const { total: output = 0, reasoning = 0 } = outputTokens;
  return {
    known: inputTokens.total !== undefined && outputTokens.total !== undefined,
    input,
    output,
    cacheRead,
    cacheWrite,
    plain: inputTokens.noCache ?? Math.max(0, input - cacheRead - cacheWrite),
    reasoning,
  };
}

/** The id, model and time of an answer, as far as its provider has said. */
export function headIn(part: Part | ModelAnswer['response'], { at, body }: Frame) {
  const { id, modelId, timestamp } = part as ModelAnswer['response'];
  const named = body['model'];
  return {
    id,
    model: modelId ?? (typeof named === 'string' ? named : ''),
    seconds: Math.floor((timestamp === undefined ? at : Date.parse(timestamp)) / 1000),
  };
}

/** The end of the stream of an answer. */
export const endOf = ({ finishReason, usage, providerMetadata }: ModelAnswer): Part => ({
  type: 'finish',
  finishReason,
  usage,
  providerMetadata,
});
