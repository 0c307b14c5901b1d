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
const File = z.strictObject({
  type: z.literal('file'),
  mediaType: z.string().max(200),
  filename: z.string().max(400).exactOptional(),
  data: z.union([
    z.strictObject({ type: z.literal('data'), data: z.base64() }),
    z.strictObject({ type: z.literal('text'), text: z.string() }),
  ]),
  ...part,
});
const Reasoning = z.strictObject({ type: z.literal('reasoning'), text: z.string(), ...said });
const ToolCall = z.strictObject({
  type: z.literal('tool-call'),
  toolCallId: z.string().max(400),
  toolName: z.string().max(400),
  input: json,
  ...said,
});
const Source = z.looseObject({ type: z.literal('source') });
const ToolResult = z.strictObject({
  type: z.literal('tool-result'),
  toolCallId: z.string().max(400),
  toolName: z.string().max(400),
  output: z.looseObject({ type: z.enum(['text', 'json', 'execution-denied', 'error-text', 'error-json', 'content']) }),
  ...part,
});

type Of<T extends z.ZodType> = z.output<T>;
type PromptPart =
  | Of<typeof Text>
  | Of<typeof File>
  | Of<typeof ToolResult>
  | Omit<Of<typeof Reasoning>, 'providerMetadata'>
  | Omit<Of<typeof ToolCall>, 'providerMetadata'>;

/** A part of an answer as a part of the next prompt, so that an agent can put what it got into its conversation as it is. */
function promptPart(part: Of<typeof SaidText> | Of<typeof Reasoning> | Of<typeof ToolCall>): PromptPart {
  const { providerMetadata, providerOptions = providerMetadata } = part;
  const kept = providerOptions === undefined ? {} : { providerOptions };
  if (part.type !== 'tool-call') return { type: part.type, text: part.text, ...kept };
  const { type, toolCallId, toolName, input } = part;
  return { type, toolCallId, toolName, input: parsed(input), ...kept };
}

function partsOf(
  part: Of<typeof SaidText | typeof File | typeof Reasoning | typeof ToolCall | typeof ToolResult | typeof Source>,
): PromptPart[] {
  if (part.type === 'source') return [];
  return [part.type === 'file' || part.type === 'tool-result' ? part : promptPart(part)];
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

export const Message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), content: z.string(), ...part }),
  z.strictObject({ role: z.literal('user'), content: z.array(z.union([Text, File])), ...part }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z
      .array(z.discriminatedUnion('type', [SaidText, File, Reasoning, ToolCall, ToolResult, Source]))
      .transform((parts) => parts.flatMap((one): PromptPart[] => partsOf(one))),
    ...part,
  }),
  z.strictObject({ role: z.literal('tool'), content: z.array(ToolResult), ...part }),
]);
export type Message = z.output<typeof Message>;

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

export const ModelRequest = z.strictObject({
  prompt: z
    .union([
      z
        .string()
        .transform((text): Message[] => [{ role: 'user', content: [{ type: 'text', text }] }])
        .describe('the words of one user'),
      z.array(Message).min(1),
    ])
    .describe('the conversation so far, oldest message first; or a text'),
  maxOutputTokens: z.int().min(1).exactOptional().describe('most tokens of the answer; the configuration’s bound holds besides'),
  temperature: z.number().exactOptional(),
  topP: z.number().exactOptional(),
  topK: z.number().exactOptional(),
  presencePenalty: z.number().exactOptional(),
  frequencyPenalty: z.number().exactOptional(),
  stopSequences: z.array(z.string()).max(64).exactOptional(),
  seed: z.int().exactOptional(),
  reasoning: z.enum(['provider-default', 'none', 'minimal', 'low', 'medium', 'high', 'xhigh']).exactOptional(),
  responseFormat: z
    .union([
      z.strictObject({ type: z.literal('text') }),
      z.strictObject({
        type: z.literal('json'),
        schema: z.record(z.string(), json).exactOptional(),
        name: z.string().max(200).exactOptional(),
        description: z.string().exactOptional(),
      }),
    ])
    .exactOptional(),
  tools: z.array(FunctionTool).max(512).exactOptional().describe('functions that the model may ask the agent to call'),
  toolChoice: z.union([z.strictObject({ type: z.enum(['auto', 'none', 'required']) }), name]).exactOptional(),
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

/** The text parts of a message's content. */
export const textIn = (content: Message['content']): string =>
  typeof content === 'string' ? content : content.map((one) => (one.type === 'text' ? one.text : '')).join('');
