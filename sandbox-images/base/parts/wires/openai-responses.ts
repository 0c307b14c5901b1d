/** Requests of OpenAI’s Responses (https://platform.openai.com/docs/api-reference/responses), version of `openai` 7.59. */
import type { ModelAnswer, ModelRequest } from '@corral/guest';
import { given, Members, merged, parsed, Refused, type Fields } from './members.ts';
import { choiceOf, effortOf, error, formatOf, parallel, SETTINGS, toolOf, usual } from './openai.ts';
import { answerOf, ResponseEvents } from './openai-responses-answer.ts';
import { callPart, Conversation, fileAt, options, unsealed, type Asked, type Wire } from './wire.ts';

const STATELESS = 'the host keeps nothing of a conversation: send all of it in `input`';

function read(fields: Fields): Asked {
  const body = new Members(fields, '');
  const model = body.text('model');
  const stream = body.flag('stream');
  for (const name of ['previous_response_id', 'conversation']) body.only(name, STATELESS);
  body.only('background', 'a model capability answers at once', false);
  body.only('truncation', 'a model capability leaves nothing out', 'disabled');
  body.only('top_logprobs', 'a model capability does not tell them', 0);
  body.each('include', (one, path) => {
    if (one !== 'reasoning.encrypted_content') throw new Refused(`${path} cannot be ${JSON.stringify(one)}.`, path);
  });
  body.ignore('stream_options');
  usual(body);
  const talk = new Conversation();
  const instructions = body.text('instructions');
  if (instructions !== undefined) talk.system(instructions);
  const input = body.take('input');
  if (typeof input === 'string') talk.user([{ type: 'text', text: input }]);
  else items(input, talk);
  const text = body.inner('text');
  const reasoning = body.inner('reasoning');
  const settings = merged(
    parallel(body),
    body.settings('openai', { ...SETTINGS, max_tool_calls: 'maxToolCalls' }),
    text?.settings('openai', { verbosity: 'textVerbosity' }),
    reasoning?.settings('openai', { summary: 'reasoningSummary', generate_summary: 'reasoningSummary' }),
  );
  const request: ModelRequest = {
    prompt: talk.messages,
    ...given({
      maxOutputTokens: body.number('max_output_tokens'),
      temperature: body.number('temperature'),
      topP: body.number('top_p'),
      reasoning: effortOf(reasoning?.text('effort')),
      responseFormat: formatOf(text?.inner('format')),
      tools: body.each('tools', tool),
      toolChoice: choiceOf(body.take('tool_choice'), 'tool_choice', (choice) => choice.needs('name')),
    }),
    ...options(settings),
  };
  text?.done();
  reasoning?.done();
  body.done();
  return { request, stream, model };
}

function tool(one: unknown, path: string) {
  const fields = new Members(one, path);
  const type = fields.take('type');
  if (type !== 'function')
    throw new Refused(`${path} is a tool of the kind ${JSON.stringify(type)}; a model capability has functions alone.`, path);
  return toolOf(fields);
}

function items(input: unknown, talk: Conversation): void {
  if (!Array.isArray(input)) throw new Refused('input is to be a text or a list of items.', 'input');
  for (const [i, one] of input.entries()) {
    const item = new Members(one, `input[${i}]`);
    item.ignore('id', 'status');
    const type = item.text('type') ?? 'message';
    const read = Object.hasOwn(ITEMS, type) ? ITEMS[type] : undefined;
    if (read === undefined) throw new Refused(`${item.path} is of the kind ${type}, which a model capability does not take.`, item.path);
    read(item, talk, one as Fields);
    item.done();
  }
}

const ITEMS: Readonly<Record<string, (item: Members, talk: Conversation, whole: Fields) => void>> = {
  message,
  function_call(item, talk) {
    item.ignore('parsed_arguments', 'namespace');
    talk.assistant(callPart(item.needs('call_id'), item.needs('name'), parsed(item.needs('arguments'))));
  },
  function_call_output(item, talk) {
    item.ignore('name');
    const output = item.take('output') ?? '';
    const value = typeof output === 'string' ? output : partsOf(output, item.at('output'));
    talk.result(item.needs('call_id'), typeof value === 'string' ? { type: 'text', value } : { type: 'content', value }, item.path);
  },
  reasoning(item, talk, whole) {
    item.ignore('content');
    const text = (item.each('summary', (part, path) => new Members(part, path).needs('text')) ?? []).join('\n');
    const encrypted = item.text('encrypted_content');
    // Without the encrypted text a provider that keeps nothing has no use for it.
    if (encrypted === undefined) return;
    const settings = unsealed(encrypted, { openai: { itemId: whole['id'], reasoningEncryptedContent: encrypted } });
    talk.assistant({ type: 'reasoning', text, ...options(settings) });
  },
};

function message(item: Members, talk: Conversation): void {
  const role = item.needs('role');
  item.ignore('phase');
  const content = item.take('content') ?? '';
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : partsOf(content, item.at('content'));
  if (role === 'user') return talk.user(parts);
  const texts = parts.map((part) => {
    if (part.type !== 'text') throw new Refused(`${item.at('content')} has a file; a message of the ${role} is text.`, item.at('content'));
    return part;
  });
  if (role === 'assistant') return talk.assistant(...texts);
  if (role !== 'system' && role !== 'developer')
    throw new Refused(`${item.at('role')} cannot be ${JSON.stringify(role)}.`, item.at('role'));
  talk.system(texts.map(({ text }) => text).join(''));
}

function partsOf(content: unknown, path: string) {
  if (!Array.isArray(content)) throw new Refused(`${path} is to be a text or a list of parts.`, path);
  return content.map((one, i) => {
    const part = new Members(one, `${path}[${i}]`);
    const type = part.needs('type');
    const read = () => {
      if (type === 'input_text' || type === 'output_text' || type === 'text') {
        part.ignore('annotations', 'logprobs', 'parsed');
        return { type: 'text' as const, text: part.text('text') ?? '' };
      }
      if (type === 'refusal') return { type: 'text' as const, text: part.needs('refusal') };
      if (type === 'input_image') {
        part.ignore('detail');
        return fileAt(part.needs('image_url'), part.path);
      }
      if (type === 'input_file') return fileAt(part.needs('file_data'), part.path, part.text('filename'));
      throw new Refused(`${part.path} is of the kind ${type}, which a model capability does not take.`, part.path);
    };
    const made = read();
    part.done();
    return made;
  });
}

export const responses: Wire = {
  read,
  answer: (answer: ModelAnswer, frame) => answerOf(answer, frame),
  events: (frame) => new ResponseEvents(frame),
  error,
};
