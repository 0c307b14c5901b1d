/** Answers of Anthropic’s Messages: whole, and as the events of a stream. */
import type { ModelAnswer, ProviderOptions } from '@corral/guest';
import { parsed, type Fields } from './members.ts';
import { headIn, keepEcho, sealed, tokensOf, type Events, type Frame, type Part } from './wire.ts';

const REASONS: Readonly<Record<string, string>> = { length: 'max_tokens', 'tool-calls': 'tool_use', 'content-filter': 'refusal' };
const reasonOf = ({ unified, raw }: ModelAnswer['finishReason']): string =>
  REASONS[unified] ?? (raw === 'stop_sequence' || raw === 'pause_turn' ? raw : 'end_turn');

const signatureOf = (metadata: ProviderOptions | undefined): string => {
  const signature = metadata?.['anthropic']?.['signature'];
  return typeof signature === 'string' ? signature : sealed(metadata);
};
const redactedIn = (metadata: ProviderOptions | undefined): string | undefined => {
  const data = metadata?.['anthropic']?.['redactedData'];
  return typeof data === 'string' ? data : undefined;
};

function usageOf(usage: ModelAnswer['usage']) {
  const { plain, output, cacheRead, cacheWrite } = tokensOf(usage);
  return { input_tokens: plain, cache_creation_input_tokens: cacheWrite, cache_read_input_tokens: cacheRead, output_tokens: output };
}

function headOf(metadata: Part | ModelAnswer['response'], frame: Frame): Fields {
  const { id, model } = headIn(metadata, frame);
  return { id: id ?? `msg_${frame.n}`, type: 'message', role: 'assistant', model, container: null };
}

export function answerOf(answer: ModelAnswer, frame: Frame): object {
  const content = answer.content.flatMap((part): Fields[] => {
    switch (part.type) {
      case 'text':
        return part.text === '' ? [] : [{ type: 'text', text: part.text, citations: null }];
      case 'reasoning': {
        const data = redactedIn((part as { readonly providerMetadata?: ProviderOptions }).providerMetadata);
        if (data !== undefined) return [{ type: 'redacted_thinking', data }];
        const signature = signatureOf((part as { readonly providerMetadata?: ProviderOptions }).providerMetadata);
        return [{ type: 'thinking', thinking: part.text, signature }];
      }
      case 'tool-call':
        keepEcho(part);
        return [{ type: 'tool_use', id: part.toolCallId, name: part.toolName, input: parsed(part.input) }];
      default:
        return [];
    }
  });
  return {
    ...headOf(answer.response, frame),
    content,
    stop_reason: reasonOf(answer.finishReason),
    stop_sequence: null,
    usage: usageOf(answer.usage),
  };
}

/** Parts of an answer as blocks, which are numbered in the order in which they begin. */
export class AnthropicEvents implements Events {
  readonly #frame: Frame;
  #begun = false;
  /** The number of each block, by the part that it is. */
  readonly #blocks = new Map<string, number>();

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  write(part: Part): string {
    // It comes before the part that says who answers.
    if (part.type === 'stream-start') return '';
    if (part.type === 'response-metadata') return this.#begin(part);
    const begun = this.#begun ? '' : this.#begin({ type: 'response-metadata' });
    return begun + this.#part(part);
  }

  #begin(part: Part): string {
    if (this.#begun) return '';
    this.#begun = true;
    const usage = { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 };
    const message = { ...headOf(part, this.#frame), content: [], stop_reason: null, stop_sequence: null, usage };
    return event('message_start', { message });
  }

  #part(part: Part): string {
    const metadata = part['providerMetadata'] as ProviderOptions | undefined;
    const id = String(part['id'] ?? part['toolCallId']);
    const delta = part['delta'];
    switch (part.type) {
      case 'text-start':
        return this.#start(`text ${id}`, { type: 'text', text: '', citations: null });
      case 'text-delta':
        return this.#delta(`text ${id}`, { type: 'text_delta', text: delta });
      case 'text-end':
        return this.#stop(`text ${id}`);
      case 'reasoning-start': {
        const data = redactedIn(metadata);
        const block = data === undefined ? { type: 'thinking', thinking: '', signature: '' } : { type: 'redacted_thinking', data };
        return this.#start(`thinking ${id}`, block);
      }
      case 'reasoning-delta':
        return delta === '' ? '' : this.#delta(`thinking ${id}`, { type: 'thinking_delta', thinking: delta });
      case 'reasoning-end': {
        const signature = signatureOf(metadata);
        const signed = redactedIn(metadata) === undefined ? this.#delta(`thinking ${id}`, { type: 'signature_delta', signature }) : '';
        return signed + this.#stop(`thinking ${id}`);
      }
      case 'tool-input-start':
        return this.#start(`call ${id}`, { type: 'tool_use', id, name: part['toolName'], input: {} });
      case 'tool-input-delta':
        return this.#delta(`call ${id}`, { type: 'input_json_delta', partial_json: delta });
      case 'tool-call':
        return this.#call(id, part);
      case 'finish': {
        const end = { stop_reason: reasonOf(part['finishReason'] as ModelAnswer['finishReason']), stop_sequence: null };
        return event('message_delta', { delta: end, usage: usageOf(part['usage'] as ModelAnswer['usage']) }) + event('message_stop', {});
      }
      default:
        return '';
    }
  }

  #call(id: string, part: Part): string {
    keepEcho(part);
    const key = `call ${id}`;
    const begun = this.#blocks.has(key)
      ? ''
      : this.#start(key, { type: 'tool_use', id, name: part['toolName'], input: {} }) +
        this.#delta(key, { type: 'input_json_delta', partial_json: part['input'] });
    return begun + this.#stop(key);
  }

  #start(key: string, content_block: Fields): string {
    const index = this.#blocks.size;
    this.#blocks.set(key, index);
    return event('content_block_start', { index, content_block });
  }
  #delta(key: string, delta: Fields): string {
    return event('content_block_delta', { index: this.#blocks.get(key), delta });
  }
  #stop(key: string): string {
    return event('content_block_stop', { index: this.#blocks.get(key) });
  }
}

const event = (type: string, more: Fields): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`;
