/**
 * Requests to a model and its answers, as JSON: `LanguageModelV4` of the AI SDK (`@ai-sdk/provider` 4) without what cannot be
 * written down (signals, headers, streams, bytes), so that any of its providers can be behind a capability.
 */
import * as z from 'zod';
import type { Json } from '@corral/protocol/json';

/** Anything that fits in JSON; its size is bounded with the arguments of the call. */
const json = z.unknown() as z.ZodType<Json>;
const options = z.record(z.string(), z.record(z.string(), json));
const part = { providerOptions: options.exactOptional() };

/** Parts of an answer say `providerMetadata` where a prompt says `providerOptions`, and hold the inputs of calls as text. */
const said = { ...part, providerMetadata: options.exactOptional() };
const Text = z.strictObject({ type: z.literal('text'), text: z.string(), ...part });
const SaidText = z.strictObject({ type: z.literal('text'), text: z.string(), citations: json.exactOptional(), ...said });
const bytes = z.strictObject({ type: z.literal('data'), data: z.base64() });
const inline = z.strictObject({ type: z.literal('text'), text: z.string() });
const file = { type: z.literal('file'), mediaType: z.string().max(200), filename: z.string().max(400).exactOptional() };
/** Bytes or text, never an address or a provider's reference: a provider would fetch what an agent chose. */
const File = z.strictObject({ ...file, data: z.discriminatedUnion('type', [bytes, inline]), ...part });
/** An answer may hold a file by its address; in a prompt it is dropped. */
const SaidFile = z.strictObject({
  ...file,
  data: z.discriminatedUnion('type', [bytes, inline, z.looseObject({ type: z.literal('url') })]),
  ...said,
});
const Reasoning = z.strictObject({ type: z.literal('reasoning'), text: z.string(), ...said });
const ToolCall = z.strictObject({
  type: z.literal('tool-call'),
  toolCallId: z.string().max(400),
  toolName: z.string().max(400),
  input: json,
  providerExecuted: z.boolean().exactOptional(),
  dynamic: z.boolean().exactOptional(),
  ...said,
});
/** Parts that a user, or a function, gives to a model. */
export const GivenPart = z.discriminatedUnion('type', [Text, File]);
const Output = z.discriminatedUnion('type', [
  z.strictObject({ type: z.enum(['text', 'error-text']), value: z.string(), ...part }),
  z.strictObject({ type: z.enum(['json', 'error-json']), value: json, ...part }),
  z.strictObject({ type: z.literal('execution-denied'), reason: z.string().exactOptional(), ...part }),
  z.strictObject({ type: z.literal('content'), value: z.array(GivenPart), ...part }),
]);
const ToolResult = z.strictObject({
  type: z.literal('tool-result'),
  toolCallId: z.string().max(400),
  toolName: z.string().max(400),
  output: Output,
  ...part,
});
/** Parts of an answer that no prompt can hold: what a provider did itself, and what is only for people. They are dropped. */
const Dropped = z.looseObject({ type: z.enum(['source', 'custom', 'reasoning-file', 'tool-approval-request', 'tool-result']) });
const Approval = z.looseObject({ type: z.literal('tool-approval-response') });

const ToolPart = z.discriminatedUnion('type', [ToolResult, Approval]);

type Of<T extends z.ZodType> = z.output<T>;
type Kept<T extends z.ZodType> = Omit<Of<T>, 'providerMetadata'>;
export type PromptPart =
  | Of<typeof Text>
  | Of<typeof File>
  | Of<typeof ToolResult>
  | Kept<typeof Reasoning>
  | Omit<Kept<typeof ToolCall>, 'providerExecuted' | 'dynamic'>;

const SaidPart = z.discriminatedUnion('type', [SaidText, SaidFile, Reasoning, ToolCall, Dropped]);

/** A part of an answer as a part of the next prompt, so that an agent can put what it got into its conversation as it is. */
function promptParts(part: Of<typeof SaidPart>): PromptPart[] {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return [{ type: part.type, text: part.text, ...settingsOf(part) }];
    case 'tool-call': {
      const { type, toolCallId, toolName, input, providerExecuted } = part;
      return providerExecuted === true ? [] : [{ type, toolCallId, toolName, input: parsed(input), ...settingsOf(part) }];
    }
    case 'file': {
      const { data, type, mediaType, filename } = part;
      if (data.type === 'url') return [];
      return [{ type, mediaType, data, ...(filename === undefined ? {} : { filename }), ...settingsOf(part) }];
    }
    default:
      return [];
  }
}

type Settings = Of<typeof options>;

function settingsOf(part: { readonly providerOptions?: Settings; readonly providerMetadata?: Settings }) {
  const { providerMetadata, providerOptions = providerMetadata } = part;
  return providerOptions === undefined ? {} : { providerOptions };
}

/** Arguments are objects; those of an answer are JSON. */
function parsed(input: Json): Json {
  if (typeof input !== 'string') return input;
  try {
    const value = JSON.parse(input) as Json;
    return typeof value === 'object' && value !== null ? value : input;
  } catch {
    return input;
  }
}

/** Schemas of the parts of messages, by role. */
export const PARTS: Readonly<Record<string, z.ZodType>> = { user: GivenPart, assistant: SaidPart, tool: ToolPart };

export const SaidMessage = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content: z.string(), ...part }),
  z.strictObject({ role: z.literal('user'), content: z.array(GivenPart), ...part }),
  z.strictObject({ role: z.literal('assistant'), content: z.array(SaidPart), ...part }),
  z.strictObject({ role: z.literal('tool'), content: z.array(ToolPart), ...part }),
]);
type SaidMessage = Of<typeof SaidMessage>;

export type Message =
  | Extract<SaidMessage, { readonly role: 'system' | 'user' }>
  | ({ readonly role: 'assistant'; readonly content: readonly PromptPart[] } & Of<z.ZodObject<typeof part>>)
  | ({ readonly role: 'tool'; readonly content: readonly Of<typeof ToolResult>[] } & Of<z.ZodObject<typeof part>>);

/** Messages as they are sent. One of which nothing can be sent is left out, because providers refuse an empty one. */
export function sentOf(messages: readonly SaidMessage[]): Message[] {
  return messages.flatMap((message): Message[] => {
    if (message.role === 'system' || message.role === 'user') return [message];
    const sent: Message =
      message.role === 'assistant'
        ? { ...message, content: message.content.flatMap(promptParts) }
        : { ...message, content: message.content.filter((one) => one.type === 'tool-result') };
    return sent.content.length === 0 && message.content.length > 0 ? [] : [sent];
  });
}

/** A prompt that is a text. */
export const userSays = (text: string): Message[] => [{ role: 'user', content: [{ type: 'text', text }] }];

export const FunctionTool = z.strictObject({
  type: z.literal('function'),
  name: z.string().min(1).max(200),
  description: z.string().exactOptional(),
  inputSchema: z.record(z.string(), json),
  inputExamples: z.array(json).exactOptional(),
  strict: z.boolean().exactOptional(),
  ...part,
});

const name = z.strictObject({ type: z.literal('tool'), toolName: z.string().max(200) });

export const MOST_TOOLS = 512;

export const ModelRequest = z.strictObject({
  prompt: z
    .union([z.string().transform(userSays).describe('the words of one user'), z.array(SaidMessage).min(1).transform(sentOf)])
    .describe('the conversation so far, oldest message first; or a text'),
  maxOutputTokens: z.int().min(1).exactOptional().describe('most tokens of the answer; the configuration’s bound holds besides'),
  temperature: z.number().exactOptional(),
  topP: z.number().exactOptional(),
  topK: z.number().exactOptional(),
  presencePenalty: z.number().exactOptional(),
  frequencyPenalty: z.number().exactOptional(),
  stopSequences: z.array(z.string()).max(64).exactOptional(),
  seed: z.int().exactOptional(),
  reasoning: z.enum(['provider-default', 'none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).exactOptional(),
  responseFormat: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text') }),
      z.strictObject({
        type: z.literal('json'),
        schema: z.record(z.string(), json).exactOptional(),
        name: z.string().max(200).exactOptional(),
        description: z.string().exactOptional(),
      }),
    ])
    .exactOptional(),
  tools: z.array(FunctionTool).max(MOST_TOOLS).exactOptional().describe('functions that the model may ask the agent to call'),
  toolChoice: z.discriminatedUnion('type', [z.strictObject({ type: z.enum(['auto', 'none', 'required']) }), name]).exactOptional(),
  providerOptions: options.exactOptional().describe('settings of one provider, as far as the configuration permits them'),
});
export type ModelRequest = z.output<typeof ModelRequest>;

const count = z.number().min(0).exactOptional();
export const Usage = z.looseObject({
  inputTokens: z.looseObject({ total: count, noCache: count, cacheRead: count, cacheWrite: count }),
  outputTokens: z.looseObject({ total: count, text: count, reasoning: count }),
});
export type Usage = z.output<typeof Usage>;

export const ModelAnswer = z.strictObject({
  content: z.array(z.looseObject({ type: z.string() })).describe('parts in order: text, reasoning, tool-call, file, source'),
  text: z.string().describe('its text parts together'),
  structuredOutputText: z.string().exactOptional().describe('the text to be read as JSON, where that is not all of its text parts'),
  finishReason: z.strictObject({
    unified: z.enum(['stop', 'length', 'content-filter', 'tool-calls', 'error', 'other']),
    raw: z.string().exactOptional(),
  }),
  usage: Usage.describe('tokens as the provider counted them; they are what is billed'),
  warnings: z.array(z.looseObject({ type: z.string() })),
  providerMetadata: options.exactOptional(),
  response: z.strictObject({
    id: z.string().exactOptional(),
    modelId: z.string().exactOptional(),
    timestamp: z.string().exactOptional(),
  }),
  maker: z
    .strictObject({ provider: z.string(), model: z.string(), fingerprint: z.string().exactOptional(), of: z.string().exactOptional() })
    .describe('what answered: `scripted` and `recorded` asked no model'),
});
export type ModelAnswer = z.output<typeof ModelAnswer>;

/** One part of a streamed answer; the AI SDK's `LanguageModelV4StreamPart`, without `finish`, `error` and `raw`. */
export const AnswerPart = z
  .looseObject({ type: z.string() })
  .describe(
    'text-delta, reasoning-delta, tool-input-delta with their starts and ends; tool-call; stream-start; response-metadata; source; file',
  );
export type AnswerPart = z.output<typeof AnswerPart>;

/** The text parts of a message's content. */
export const textIn = (content: Message['content']): string =>
  typeof content === 'string' ? content : content.map((one) => (one.type === 'text' ? one.text : '')).join('');
