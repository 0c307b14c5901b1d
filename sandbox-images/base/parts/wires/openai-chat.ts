/** OpenAI’s Chat Completions (https://platform.openai.com/docs/api-reference/chat), version of `openai` 7.59. */
import type { ModelAnswer, ModelRequest } from '@corral/guest';
import { given, Members, merged, parsed, Refused, type Fields } from './members.ts';
import { choiceOf, effortOf, error, formatOf, parallel, reasonOf, SETTINGS, toolOf, usual } from './openai.ts';
import { callPart, Conversation, fileAt, fileOf, headIn, keepEcho, options, tokensOf } from './wire.ts';
import type { Asked, Events, Frame, Part, Wire } from './wire.ts';

function read(fields: Fields): Asked {
  const body = new Members(fields, '');
  const model = body.text('model');
  const stream = body.flag('stream');
  const talk = new Conversation();
  body.each('messages', (one, path) => message(new Members(one, path), talk));
  body.ignore('stream_options');
  body.only('n', 'a model capability gives one answer', 1);
  body.only('logprobs', 'a model capability does not tell them', false);
  body.only('modalities', 'a model capability answers with text', ['text']);
  usual(body);
  const most = [body.number('max_completion_tokens'), body.number('max_tokens')].filter((one) => one !== undefined);
  const stop = body.take('stop');
  const settings = merged(
    parallel(body),
    body.settings('openai', { ...SETTINGS, logit_bias: 'logitBias', prediction: 'prediction', verbosity: 'textVerbosity' }),
  );
  const request: ModelRequest = {
    prompt: talk.messages,
    ...given({
      maxOutputTokens: most.length === 0 ? undefined : Math.min(...most),
      temperature: body.number('temperature'),
      topP: body.number('top_p'),
      presencePenalty: body.number('presence_penalty'),
      frequencyPenalty: body.number('frequency_penalty'),
      seed: body.number('seed'),
      stopSequences: stop === undefined ? undefined : ((Array.isArray(stop) ? stop : [stop]) as string[]),
      reasoning: effortOf(body.text('reasoning_effort')),
      responseFormat: formatOf(body.inner('response_format')),
      tools: body.each('tools', tool),
      toolChoice: choiceOf(body.take('tool_choice'), 'tool_choice', (choice) => choice.inner('function')?.needs('name') ?? ''),
    }),
    ...options(settings),
  };
  body.done();
  return { request, stream, model };
}

function tool(one: unknown, path: string) {
  const fields = new Members(one, path);
  const type = fields.take('type');
  const inner = fields.inner('function');
  if (type !== 'function' || inner === undefined)
    throw new Refused(`${path} is a tool of the kind ${JSON.stringify(type)}; a model capability has functions alone.`, path);
  fields.done();
  return toolOf(inner);
}

function message(said: Members, talk: Conversation): void {
  const role = said.needs('role');
  switch (role) {
    case 'system':
    case 'developer':
      talk.system(textOf(said));
      break;
    case 'user':
      talk.user(contentOf(said));
      break;
    case 'assistant':
      // LangChain sends the names of its nodes; what the model said before is its own, whatever it was called.
      said.ignore('name');
      assistant(said, talk);
      break;
    case 'tool':
      // The name of the function, which its call has, too.
      said.ignore('name');
      talk.result(said.needs('tool_call_id'), { type: 'text', value: textOf(said) }, said.path);
      break;
    default:
      throw new Refused(`${said.at('role')} cannot be ${JSON.stringify(role)}.`, said.at('role'));
  }
  said.done();
}

function assistant(said: Members, talk: Conversation): void {
  const text = textOf(said) + (said.text('refusal') ?? '');
  said.ignore('annotations', 'parsed');
  if (text !== '') talk.assistant({ type: 'text', text });
  const calls = said.each('tool_calls', (one, path) => {
    const call = new Members(one, path);
    call.only('type', 'a model capability has functions alone', 'function');
    call.ignore('index');
    const asked = call.inner('function');
    const made = callPart(call.needs('id'), asked?.needs('name') ?? '', parsed(asked?.text('arguments') ?? '{}'));
    asked?.ignore('parsed_arguments');
    asked?.done();
    call.done();
    return made;
  });
  talk.assistant(...(calls ?? []));
}

/** The words of a message whose content is a text or a list of texts. */
function textOf(said: Members): string {
  const content = said.take('content') ?? '';
  if (typeof content === 'string') return content;
  return partsOf(content, said.at('content'))
    .map((part) => {
      const type = part.take('type');
      if (type !== 'text' && type !== 'refusal') throw new Refused(`${part.path} is to be a text.`, part.path);
      const text = part.needs(type);
      part.done();
      return text;
    })
    .join('');
}

const partsOf = (content: unknown, path: string): Members[] => {
  if (!Array.isArray(content)) throw new Refused(`${path} is to be a text or a list of parts.`, path);
  return content.map((part, i) => new Members(part, `${path}[${i}]`));
};

function contentOf(said: Members) {
  const content = said.take('content') ?? '';
  if (typeof content === 'string') return [{ type: 'text' as const, text: content }];
  return partsOf(content, said.at('content')).map((part) => {
    const made = givenPart(part);
    part.done();
    return made;
  });
}

function givenPart(part: Members) {
  const type = part.needs('type');
  if (type === 'text') return { type: 'text' as const, text: part.needs('text') };
  const read = Object.hasOwn(FILES, type) ? FILES[type] : undefined;
  const inner = read === undefined ? undefined : part.inner(type);
  if (read === undefined || inner === undefined)
    throw new Refused(`${part.path} is of the kind ${type}, which a model capability does not take.`, part.path);
  const made = read(inner);
  inner.done();
  return made;
}

const FILES: Readonly<Record<string, (inner: Members) => ReturnType<typeof fileOf>>> = {
  image_url(inner) {
    inner.ignore('detail');
    return fileAt(inner.needs('url'), inner.path);
  },
  input_audio: (inner) => fileOf(`audio/${inner.needs('format')}`, inner.needs('data')),
  file: (inner) => fileAt(inner.needs('file_data'), inner.path, inner.text('filename')),
};

function answer(said: ModelAnswer, frame: Frame): object {
  const { id, model, seconds } = headIn(said.response, frame);
  const calls = said.content.flatMap((part) => {
    if (part.type !== 'tool-call') return [];
    keepEcho(part);
    return [{ id: part.toolCallId, type: 'function', function: { name: part.toolName, arguments: part.input } }];
  });
  const { text } = said;
  return {
    id: id ?? `chatcmpl-${frame.n}`,
    object: 'chat.completion',
    created: seconds,
    model,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' && calls.length > 0 ? null : text,
          refusal: null,
          annotations: [],
          ...(calls.length === 0 ? {} : { tool_calls: calls }),
        },
        logprobs: null,
        finish_reason: reasonOf(said.finishReason.unified),
      },
    ],
    ...usageOf(said.usage),
    ...given({ system_fingerprint: said.maker.fingerprint }),
  };
}

function usageOf(usage: ModelAnswer['usage']): { readonly usage?: object } {
  const { known, input, output, cacheRead, reasoning } = tokensOf(usage);
  if (!known) return {};
  return {
    usage: {
      prompt_tokens: input,
      completion_tokens: output,
      total_tokens: input + output,
      prompt_tokens_details: { cached_tokens: cacheRead },
      completion_tokens_details: { reasoning_tokens: reasoning },
    },
  };
}

/** Chunks of a stream. */
class Chunks implements Events {
  readonly #frame: Frame;
  #head: Fields = {};
  #begun = false;
  readonly #calls = new Map<string, number>();

  constructor(frame: Frame) {
    this.#frame = frame;
    this.#said({});
  }

  write(part: Part): string {
    switch (part.type) {
      case 'response-metadata':
        this.#said(part);
        return '';
      case 'text-delta':
        return this.#delta({ content: part['delta'] });
      case 'tool-input-start':
        return this.#call(part['id'] as string, part['toolName'] as string, '');
      case 'tool-input-delta':
        return this.#arguments(part['id'] as string, part['delta'] as string);
      case 'tool-call': {
        keepEcho(part);
        const id = part['toolCallId'] as string;
        return this.#calls.has(id) ? '' : this.#call(id, part['toolName'] as string, part['input'] as string);
      }
      case 'finish':
        return this.#finish(part);
      default:
        return '';
    }
  }

  #said(metadata: Part | ModelAnswer['response']): void {
    const { id, model, seconds } = headIn(metadata, this.#frame);
    this.#head = { id: id ?? `chatcmpl-${this.#frame.n}`, object: 'chat.completion.chunk', created: seconds, model };
  }

  #finish({ finishReason, usage }: Part): string {
    const { unified } = finishReason as ModelAnswer['finishReason'];
    const options = this.#frame.body['stream_options'] as { readonly include_usage?: unknown } | undefined;
    const bill = usageOf(usage as ModelAnswer['usage']);
    return [
      this.#delta({}, reasonOf(unified)),
      options?.include_usage === true ? data({ ...this.#head, choices: [], ...bill }) : '',
      'data: [DONE]\n\n',
    ].join('');
  }

  #call(id: string, name: string, text: string): string {
    const index = this.#calls.size;
    this.#calls.set(id, index);
    return this.#delta({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: text } }] });
  }

  #arguments(id: string, text: string): string {
    return this.#delta({ tool_calls: [{ index: this.#calls.get(id) ?? 0, function: { arguments: text } }] });
  }

  #delta(delta: Fields, finish_reason: string | null = null): string {
    const first = this.#begun ? {} : { role: 'assistant', content: 'tool_calls' in delta ? null : '' };
    this.#begun = true;
    return data({ ...this.#head, choices: [{ index: 0, delta: { ...first, ...delta }, logprobs: null, finish_reason }] });
  }
}

const data = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;

export const chat: Wire = { read, answer, events: (frame) => new Chunks(frame), error };
