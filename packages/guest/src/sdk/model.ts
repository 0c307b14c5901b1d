/**
 * The arguments and answers of a model capability: the AI SDK's `LanguageModelV4` as JSON. An answer's `content` can be put into the
 * next prompt as it is: its settings
 * (`providerMetadata`) are taken along, and what a provider did itself or added for people (`source`, `custom`) is left out of what is sent.
 */

/** Settings of one provider, by its name: `{ openai: { reasoningEffort: 'low' } }`. */
export type ProviderOptions = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
interface Part {
  readonly providerOptions?: ProviderOptions;
}
export interface TextPart extends Part {
  readonly type: 'text';
  readonly text: string;
}
export interface ReasoningPart extends Part {
  readonly type: 'reasoning';
  readonly text: string;
}
export interface FilePart extends Part {
  readonly type: 'file';
  /** `image/png`, `application/pdf`. */
  readonly mediaType: string;
  readonly filename?: string;
  /** `data`: base64. */
  readonly data: { readonly type: 'data'; readonly data: string } | { readonly type: 'text'; readonly text: string };
}
/** A function that the model asks for. In a prompt `input` is JSON; in an answer it is JSON as text. */
export interface ToolCallPart extends Part {
  readonly type: 'tool-call';
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
}
/** The result of the function. */
export interface ToolResultPart extends Part {
  readonly type: 'tool-result';
  readonly toolCallId: string;
  readonly toolName: string;
  readonly output: ToolResultOutput;
}
export type ToolResultOutput = Part &
  (
    | { readonly type: 'text' | 'error-text'; readonly value: string }
    | { readonly type: 'json' | 'error-json'; readonly value: unknown }
    | { readonly type: 'content'; readonly value: readonly (TextPart | FilePart)[] }
    /** The function was not called, since somebody refused it. */
    | { readonly type: 'execution-denied'; readonly reason?: string }
  );
export type ModelMessage = Part &
  (
    | { readonly role: 'system'; readonly content: string }
    | { readonly role: 'user'; readonly content: readonly (TextPart | FilePart)[] }
    | {
        readonly role: 'assistant';
        readonly content: readonly (TextPart | FilePart | ReasoningPart | ToolCallPart)[];
      }
    | { readonly role: 'tool'; readonly content: readonly ToolResultPart[] }
  );
/** A function that the model may ask the agent to call. */
export interface ModelFunction extends Part {
  readonly type: 'function';
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of its arguments. */
  readonly inputSchema: Readonly<Record<string, unknown>>;
}

/** The arguments of a model capability. */
export interface ModelRequest {
  /** The conversation so far, oldest message first; a text is the words of one user. */
  readonly prompt: string | readonly ModelMessage[];
  /** Most tokens of the answer; the host's configuration has a bound of its own. */
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly stopSequences?: readonly string[];
  readonly seed?: number;
  readonly reasoning?: 'provider-default' | 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';
  readonly responseFormat?:
    | { readonly type: 'text' }
    | { readonly type: 'json'; readonly schema?: Readonly<Record<string, unknown>>; readonly name?: string; readonly description?: string };
  readonly tools?: readonly ModelFunction[];
  readonly toolChoice?: { readonly type: 'auto' | 'none' | 'required' } | { readonly type: 'tool'; readonly toolName: string };
  /** As far as the host's configuration permits them. */
  readonly providerOptions?: ProviderOptions;
}

export interface ModelUsage {
  readonly inputTokens: { readonly total?: number; readonly noCache?: number; readonly cacheRead?: number; readonly cacheWrite?: number };
  readonly outputTokens: { readonly total?: number; readonly text?: number; readonly reasoning?: number };
}

/** The result of a model capability. */
export interface ModelAnswer {
  /** Its parts in order. Besides these there are `source`, `file` and others that a provider adds. */
  readonly content: readonly (TextPart | ReasoningPart | (Omit<ToolCallPart, 'input'> & { readonly input: string }))[];
  /** Its text parts together. */
  readonly text: string;
  readonly finishReason: {
    readonly unified: 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error' | 'other';
    readonly raw?: string;
  };
  /** Tokens as the provider counted them; they are what is billed. */
  readonly usage: ModelUsage;
  readonly warnings: readonly { readonly type: string }[];
  /** The text of a structured answer, where a provider says it apart from other text. */
  readonly structuredOutputText?: string;
  readonly providerMetadata?: ProviderOptions;
  /** `timestamp`: ISO 8601, by the provider's clock. */
  readonly response: { readonly id?: string; readonly modelId?: string; readonly timestamp?: string };
  /** The model that answered. A provider `scripted` or `recorded` asked no model; `of` is the one that the recorded answer came from. */
  readonly maker: { readonly provider: string; readonly model: string; readonly fingerprint?: string; readonly of?: string };
}

/**
 * A part of a streamed answer, `LanguageModelV4StreamPart` as JSON: `text-delta`, `reasoning-delta` and `tool-input-delta` with their starts
 * and ends, `tool-call`, `stream-start` (with the warnings), `response-metadata`, and what a provider adds. The `result` of the stream is the
 * answer without `content` and `text`.
 */
export type ModelPart =
  | { readonly type: 'text-delta' | 'reasoning-delta' | 'tool-input-delta'; readonly id: string; readonly delta: string }
  | { readonly type: 'text-start' | 'text-end' | 'reasoning-start' | 'reasoning-end' | 'tool-input-end'; readonly id: string }
  | { readonly type: 'tool-input-start'; readonly id: string; readonly toolName: string }
  | (Omit<ToolCallPart, 'input'> & { readonly input: string })
  | { readonly type: 'stream-start'; readonly warnings: ModelAnswer['warnings'] }
  | ({ readonly type: 'response-metadata' } & ModelAnswer['response'])
  | { readonly type: 'source' | 'file' | 'reasoning-file' | 'tool-result' | 'tool-approval-request' | 'custom' };
