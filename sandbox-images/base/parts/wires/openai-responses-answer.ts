/** Answers of OpenAI’s Responses: whole, and as the events of a stream, whose last one is the whole. */
import type { ModelAnswer, ProviderOptions } from '@corral/guest';
import { partsOf } from '@corral/guest/ai';
import type { Fields } from './members.ts';
import { endOf, headIn, keepEcho, sealed, tokensOf, type Events, type Frame, type Part } from './wire.ts';

type Item = Record<string, unknown>;
/** An item that parts of a stream add to. */
interface Open {
  readonly index: number;
  readonly item: Item;
  text: string;
}

export function answerOf(answer: ModelAnswer, frame: Frame): object {
  const events = new ResponseEvents(frame);
  for (const part of [...partsOf(answer), endOf(answer)]) events.write(part);
  return events.response;
}

export class ResponseEvents implements Events {
  readonly #frame: Frame;
  readonly #output: Item[] = [];
  readonly #open = new Map<string, Open>();
  #sequence = 0;
  #begun = false;
  #head: Fields = {};

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  /** As it stands. */
  response: Fields = {};

  write(part: Part): string {
    // It comes before the part that says who answers.
    if (part.type === 'stream-start') return '';
    if (part.type === 'response-metadata') return this.#begin(part);
    const begun = this.#begun ? '' : this.#begin({ type: 'response-metadata' });
    return begun + this.#part(part);
  }

  #begin(part: Part): string {
    const { id, model, seconds } = headIn(part, this.#frame);
    this.#head = { id: id ?? `resp_${this.#frame.n}`, created_at: seconds, model };
    if (this.#begun) return '';
    this.#begun = true;
    this.response = this.#whole('in_progress');
    return this.#event('response.created', { response: this.response }) + this.#event('response.in_progress', { response: this.response });
  }

  #part(part: Part): string {
    const id = (part['id'] ?? part['toolCallId']) as string;
    switch (part.type) {
      case 'text-start':
        return this.#message(id);
      case 'text-delta':
        return this.#said(id, part['delta'] as string);
      case 'text-end':
        return this.#messageDone(id);
      case 'reasoning-start':
        return this.#thought(id);
      case 'reasoning-delta':
        return this.#thinks(id, part['delta'] as string);
      case 'reasoning-end':
        return this.#thoughtDone(id, part['providerMetadata'] as ProviderOptions | undefined);
      case 'tool-input-start':
        return this.#call(id, part['toolName'] as string);
      case 'tool-input-delta':
        return this.#argues(id, part['delta'] as string);
      case 'tool-call':
        keepEcho(part);
        return this.#called(id, part);
      case 'finish':
        return this.#finish(part);
      default:
        return '';
    }
  }

  #message(id: string): string {
    const part = { type: 'output_text', text: '', annotations: [], logprobs: [] };
    const { index, item, event } = this.#add(`t${id}`, {
      id: this.#id('msg'),
      type: 'message',
      status: 'in_progress',
      role: 'assistant',
      content: [],
    });
    return event + this.#event('response.content_part.added', { item_id: item['id'], output_index: index, content_index: 0, part });
  }

  #said(id: string, delta: string): string {
    const open = this.#open.get(`t${id}`);
    if (open === undefined) return '';
    open.text += delta;
    return this.#event('response.output_text.delta', { ...at(open), content_index: 0, delta, logprobs: [] });
  }

  #messageDone(id: string): string {
    const open = this.#open.get(`t${id}`);
    if (open === undefined) return '';
    const { text } = open;
    const part = { type: 'output_text', text, annotations: [], logprobs: [] };
    return [
      this.#event('response.output_text.done', { ...at(open), content_index: 0, text, logprobs: [] }),
      this.#event('response.content_part.done', { ...at(open), content_index: 0, part }),
      this.#done(open, { status: 'completed', content: [part] }),
    ].join('');
  }

  #thought(id: string): string {
    const { index, item, event } = this.#add(`r${id}`, { id: this.#id('rs'), type: 'reasoning', summary: [] });
    const part = { type: 'summary_text', text: '' };
    return (
      event + this.#event('response.reasoning_summary_part.added', { item_id: item['id'], output_index: index, summary_index: 0, part })
    );
  }

  #thinks(id: string, delta: string): string {
    const open = this.#open.get(`r${id}`);
    if (open === undefined) return '';
    open.text += delta;
    return this.#event('response.reasoning_summary_text.delta', { ...at(open), summary_index: 0, delta });
  }

  #thoughtDone(id: string, metadata: ProviderOptions | undefined): string {
    const open = this.#open.get(`r${id}`);
    if (open === undefined) return '';
    const { text } = open;
    const part = { type: 'summary_text', text };
    return [
      this.#event('response.reasoning_summary_text.done', { ...at(open), summary_index: 0, text }),
      this.#event('response.reasoning_summary_part.done', { ...at(open), summary_index: 0, part }),
      this.#done(open, { summary: text === '' ? [] : [part], encrypted_content: sealed(metadata) }),
    ].join('');
  }

  #call(id: string, name: string): string {
    return this.#add(`c${id}`, { id: this.#id('fc'), type: 'function_call', status: 'in_progress', call_id: id, name, arguments: '' })
      .event;
  }

  #argues(id: string, delta: string): string {
    const open = this.#open.get(`c${id}`);
    if (open === undefined) return '';
    open.text += delta;
    return this.#event('response.function_call_arguments.delta', { ...at(open), delta });
  }

  #called(id: string, { toolName, input }: Part): string {
    const begun = this.#open.has(`c${id}`) ? '' : this.#call(id, toolName as string) + this.#argues(id, input as string);
    const open = this.#open.get(`c${id}`) as Open;
    const text = input as string;
    return [
      begun,
      this.#event('response.function_call_arguments.done', { ...at(open), name: toolName, arguments: text }),
      this.#done(open, { status: 'completed', arguments: text }),
    ].join('');
  }

  #finish({ finishReason, usage }: Part): string {
    const { unified } = finishReason as ModelAnswer['finishReason'];
    const reason = unified === 'length' ? 'max_output_tokens' : unified === 'content-filter' ? 'content_filter' : undefined;
    const status = reason === undefined ? 'completed' : 'incomplete';
    this.response = this.#whole(status, {
      incomplete_details: reason === undefined ? null : { reason },
      ...usageOf(usage as ModelAnswer['usage']),
    });
    return this.#event(`response.${status}`, { response: this.response });
  }

  #id(kind: string): string {
    return `${kind}_${this.#frame.n}_${this.#output.length}`;
  }

  #add(key: string, item: Item) {
    const index = this.#output.push(item) - 1;
    this.#open.set(key, { index, item, text: '' });
    return { index, item, event: this.#event('response.output_item.added', { output_index: index, item }) };
  }

  #done({ index, item }: Open, more: Fields): string {
    Object.assign(item, more);
    return this.#event('response.output_item.done', { output_index: index, item });
  }

  #whole(status: string, more: Fields = {}): Fields {
    const { instructions, max_output_tokens, metadata, parallel_tool_calls, reasoning, temperature, text, tool_choice, tools, top_p } =
      this.#frame.body;
    return {
      ...this.#head,
      object: 'response',
      status,
      error: null,
      incomplete_details: null,
      instructions: instructions ?? null,
      max_output_tokens: max_output_tokens ?? null,
      metadata: metadata ?? {},
      output: this.#output,
      parallel_tool_calls: parallel_tool_calls ?? true,
      previous_response_id: null,
      reasoning: reasoning ?? { effort: null, summary: null },
      store: false,
      temperature: temperature ?? null,
      text: text ?? { format: { type: 'text' } },
      tool_choice: tool_choice ?? 'auto',
      tools: tools ?? [],
      top_p: top_p ?? null,
      truncation: 'disabled',
      usage: null,
      ...more,
    };
  }

  #event(type: string, more: Fields): string {
    const event = { type, sequence_number: this.#sequence, ...more };
    this.#sequence += 1;
    return `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
  }
}

const at = ({ index, item }: Open): Fields => ({ item_id: item['id'], output_index: index });

function usageOf(usage: ModelAnswer['usage']): { readonly usage?: object } {
  const { known, input, output, cacheRead, cacheWrite, reasoning } = tokensOf(usage);
  if (!known) return {};
  return {
    usage: {
      input_tokens: input,
      input_tokens_details: { cached_tokens: cacheRead, cache_write_tokens: cacheWrite },
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: reasoning },
      total_tokens: input + output,
    },
  };
}
