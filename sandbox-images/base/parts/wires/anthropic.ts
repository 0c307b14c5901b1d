/** Anthropic’s Messages (https://docs.anthropic.com/en/api/messages), version of `@anthropic-ai/sdk` 1.14. */
import type { ModelAnswer, ModelFunction, ModelRequest, ProviderOptions } from '@corral/guest';
import { AnthropicEvents, answerOf } from './anthropic-answer.ts';
import { given, Members, merged, Refused, type Fields } from './members.ts';
import { callPart, Conversation, fileOf, options, unsealed, type Asked, type Wire } from './wire.ts';

function read(fields: Fields): Asked {
  const body = new Members(fields, '');
  const model = body.text('model');
  const stream = body.flag('stream');
  // The package goes on without a thread where it is told so in these words.
  if (body.take('thread') !== undefined)
    throw new Refused('thread: the host keeps nothing of a conversation; send all of it in `messages`.', 'thread', {
      error_code: 'thread_unsupported_request',
      unsupported: ['thread'],
    });
  const talk = new Conversation();
  const system = body.take('system');
  if (typeof system === 'string') talk.system(system);
  else if (system !== undefined) for (const one of list(system, 'system')) systemBlock(one, talk);
  body.each('messages', (one, path) => message(new Members(one, path), talk));
  const output = body.inner('output_config');
  const choice = body.inner('tool_choice');
  const settings = merged(
    cacheOf(body),
    body.settings('anthropic', { service_tier: 'serviceTier', inference_geo: 'inferenceGeo', speed: 'speed' }),
    userOf(body.inner('metadata')),
    thinkingOf(body.inner('thinking')),
    output?.settings('anthropic', { effort: 'effort' }),
    choice?.flag('disable_parallel_tool_use') === true ? { anthropic: { disableParallelToolUse: true } } : undefined,
  );
  const request: ModelRequest = {
    prompt: talk.messages,
    ...given({
      maxOutputTokens: body.number('max_tokens'),
      temperature: body.number('temperature'),
      topP: body.number('top_p'),
      topK: body.number('top_k'),
      stopSequences: body.each('stop_sequences', (one) => one as string),
      responseFormat: formatOf(output?.inner('format')),
      tools: body.each('tools', tool),
      toolChoice: choiceOf(choice),
    }),
    ...options(settings),
  };
  output?.done();
  body.done();
  return { request, stream, model };
}

function systemBlock(block: Members, talk: Conversation): void {
  block.only('type', 'a system prompt is text', 'text');
  talk.system(block.needs('text'), cacheOf(block));
  block.done();
}

const list = (value: unknown, path: string): Members[] => {
  if (!Array.isArray(value)) throw new Refused(`${path} is to be a text or a list of blocks.`, path);
  return value.map((one, i) => new Members(one, `${path}[${i}]`));
};

/** The settings of a mark for the provider’s cache, which the configuration permits or not. */
function cacheOf(fields: Members): ProviderOptions | undefined {
  const cacheControl = fields.take('cache_control');
  return cacheControl === undefined ? undefined : { anthropic: { cacheControl } };
}

function userOf(metadata: Members | undefined): ProviderOptions | undefined {
  const userId = metadata?.text('user_id');
  metadata?.done();
  return userId === undefined ? undefined : { anthropic: { metadata: { userId } } };
}

function thinkingOf(thinking: Members | undefined): ProviderOptions | undefined {
  if (thinking === undefined) return undefined;
  const type = thinking.needs('type');
  const set = given({ budgetTokens: thinking.number('budget_tokens'), display: thinking.text('display') });
  thinking.done();
  return type === 'disabled' ? undefined : { anthropic: { thinking: { type, ...set } } };
}

function choiceOf(choice: Members | undefined): ModelRequest['toolChoice'] | undefined {
  if (choice === undefined) return undefined;
  const type = choice.needs('type');
  const name = choice.text('name');
  choice.done();
  if (type === 'auto' || type === 'none') return { type };
  if (type === 'any') return { type: 'required' };
  if (type === 'tool' && name !== undefined) return { type: 'tool', toolName: name };
  throw new Refused(`tool_choice.type cannot be ${JSON.stringify(type)}.`, 'tool_choice');
}

function tool(one: unknown, path: string): ModelFunction {
  const fields = new Members(one, path);
  const type = fields.text('type') ?? 'custom';
  if (type !== 'custom') throw new Refused(`${path} is the tool ${type} of a provider; a model capability has functions alone.`, path);
  const description = fields.text('description');
  const strict = fields.take('strict') === true ? true : undefined;
  const inputExamples = fields.each('input_examples', (example) => ({ input: example }));
  fields.ignore('eager_input_streaming');
  fields.only('allowed_callers', 'the agent calls its functions', ['direct']);
  fields.only('defer_loading', 'a provider searches nothing', false);
  const made = {
    type: 'function' as const,
    name: fields.needs('name'),
    inputSchema: fields.take('input_schema') as ModelFunction['inputSchema'],
    ...given({ description, strict, inputExamples }),
    ...options(cacheOf(fields)),
  };
  fields.done();
  return made;
}

function formatOf(format: Members | undefined): ModelRequest['responseFormat'] | undefined {
  if (format === undefined) return undefined;
  format.only('type', 'a model capability answers with text or JSON', 'json_schema');
  const schema = format.take('schema') as Fields;
  format.done();
  return { type: 'json', schema };
}

function message(said: Members, talk: Conversation): void {
  const role = said.needs('role');
  const content = said.take('content') ?? '';
  said.done();
  const blocks = typeof content === 'string' ? undefined : list(content, said.at('content'));
  if (role === 'assistant') {
    if (blocks === undefined) talk.assistant({ type: 'text', text: content as string });
    else talk.assistant(...blocks.map(saidBlock));
    return;
  }
  if (role === 'system') {
    if (blocks === undefined) talk.system(content as string);
    else for (const block of blocks) systemBlock(block, talk);
    return;
  }
  if (role !== 'user') throw new Refused(`${said.at('role')} cannot be ${JSON.stringify(role)}.`, said.at('role'));
  if (blocks === undefined) return talk.user([{ type: 'text', text: content as string }]);
  // Results of functions are a message of their own, before what the user says.
  const rest = blocks.flatMap((block) => {
    const type = block.needs('type');
    if (type !== 'tool_result') return [givenBlock(block, type)];
    result(block, talk);
    return [];
  });
  if (rest.length > 0) talk.user(rest);
}

function result(block: Members, talk: Conversation): void {
  const content = block.take('content') ?? '';
  const failed = block.flag('is_error');
  const settings = cacheOf(block);
  const id = block.needs('tool_use_id');
  block.done();
  if (typeof content === 'string') return talk.result(id, { type: failed ? 'error-text' : 'text', value: content }, block.path, settings);
  const value = list(content, block.at('content')).map((part) => givenBlock(part, part.needs('type')));
  const text = value.every((part) => part.type === 'text') ? value.map((part) => part.text).join('') : undefined;
  if (failed && text === undefined) throw new Refused(`${block.path} is an error with a file; an error is text.`, block.path);
  talk.result(id, failed ? { type: 'error-text', value: text ?? '' } : { type: 'content', value }, block.path, settings);
}

function givenBlock(block: Members, type: string) {
  const settings = options(cacheOf(block));
  const read = () => {
    if (type === 'text') {
      block.ignore('citations');
      return { type: 'text' as const, text: block.needs('text'), ...settings };
    }
    if (type === 'image' || type === 'document') return { ...sourceOf(block, type), ...settings };
    throw new Refused(`${block.path} is of the kind ${type}, which a model capability does not take.`, block.path);
  };
  const made = read();
  block.done();
  return made;
}

function sourceOf(block: Members, type: string) {
  const source = block.inner('source');
  const filename = type === 'document' ? block.text('title') : undefined;
  const kind = source?.needs('type');
  if (source === undefined || (kind !== 'base64' && kind !== 'text'))
    throw new Refused(
      `${block.path} is a file by its address or by a provider’s reference; a model capability takes its bytes.`,
      block.path,
    );
  const mediaType = source.needs('media_type');
  const data = source.needs('data');
  source.done();
  if (kind === 'base64') return fileOf(mediaType, data, filename);
  return { type: 'file' as const, mediaType, data: { type: 'text' as const, text: data }, ...given({ filename }) };
}

function saidBlock(block: Members) {
  const type = block.needs('type');
  const settings = cacheOf(block);
  const read = () => {
    switch (type) {
      case 'text':
        block.ignore('citations', 'parsed');
        return { type: 'text' as const, text: block.needs('text'), ...options(settings) };
      case 'tool_use': {
        block.ignore('caller');
        const call = callPart(block.needs('id'), block.needs('name'), block.take('input') ?? {});
        return { ...call, ...options(merged(call.providerOptions, settings)) };
      }
      case 'thinking': {
        const signature = block.needs('signature');
        return {
          type: 'reasoning' as const,
          text: block.text('thinking') ?? '',
          ...options(unsealed(signature, { anthropic: { signature } })),
        };
      }
      case 'redacted_thinking':
        return { type: 'reasoning' as const, text: '', ...options({ anthropic: { redactedData: block.needs('data') } }) };
      default:
        throw new Refused(`${block.path} is of the kind ${type}, which a model capability does not take.`, block.path);
    }
  };
  const made = read();
  block.done();
  return made;
}

const KINDS: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  503: 'overloaded_error',
};

export const messages: Wire = {
  read,
  answer: (answer: ModelAnswer, frame) => answerOf(answer, frame),
  events: (frame) => new AnthropicEvents(frame),
  error: ({ status, message, code, details }) => ({
    type: 'error',
    error: { type: KINDS[status] ?? 'api_error', message, code, ...given({ details }) },
    request_id: null,
  }),
};
