/** Members that both APIs of OpenAI have: functions, the form of an answer, and settings. */
import type { ModelFunction, ModelRequest } from '@corral/guest';
import { given, Members, Refused, type Fields } from './members.ts';
import type { Failure } from './wire.ts';

/** Settings that are OpenAI’s own, by the names that its provider’s package has for them. */
export const SETTINGS = {
  metadata: 'metadata',
  prompt_cache_key: 'promptCacheKey',
  prompt_cache_retention: 'promptCacheRetention',
  safety_identifier: 'safetyIdentifier',
  service_tier: 'serviceTier',
  user: 'user',
} as const;

/** Members that ask for nothing where they have their usual value. */
export function usual(body: Members): void {
  body.only('store', 'a provider keeps nothing of what an agent asks', false);
  body.only('moderation', 'it is not something that a model capability can be asked for');
}

/** The setting for calls at the same time; `true` is what providers do anyway. */
export function parallel(body: Members): { readonly openai: Fields } | undefined {
  const value = body.take('parallel_tool_calls');
  return value === undefined || value === true ? undefined : { openai: { parallelToolCalls: value } };
}

export function toolOf(fields: Members): ModelFunction {
  const name = fields.needs('name');
  const inputSchema = (fields.take('parameters') ?? { type: 'object', properties: {} }) as ModelFunction['inputSchema'];
  const description = fields.text('description');
  const strict = fields.take('strict') === true ? true : undefined;
  fields.done();
  return { type: 'function', name, inputSchema, ...given({ description, strict }) };
}

/** @param tool the name in a choice of one function */
export function choiceOf(choice: unknown, path: string, tool: (fields: Members) => string): ModelRequest['toolChoice'] | undefined {
  if (choice === undefined) return undefined;
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { type: choice };
  const fields = new Members(choice, path);
  const type = fields.take('type');
  if (type !== 'function') throw new Refused(`${path} names ${JSON.stringify(type)}; a model capability has functions alone.`, path);
  const toolName = tool(fields);
  fields.done();
  return { type: 'tool', toolName };
}

/** `response_format` or `text.format`; the first holds the schema within itself. */
export function formatOf(fields: Members | undefined): ModelRequest['responseFormat'] | undefined {
  if (fields === undefined) return undefined;
  const type = fields.take('type');
  if (type === 'text' || type === 'json_object') {
    fields.done();
    return { type: type === 'text' ? 'text' : 'json' };
  }
  if (type !== 'json_schema') throw new Refused(`${fields.at('type')} cannot be ${JSON.stringify(type)}.`, fields.at('type'));
  const inner = fields.inner('json_schema') ?? fields;
  const schema = inner.take('schema') as Fields | undefined;
  const format = { type: 'json' as const, ...given({ schema, name: inner.text('name'), description: inner.text('description') }) };
  inner.ignore('strict');
  inner.done();
  fields.done();
  return format;
}

type Reasoning = Exclude<ModelRequest['reasoning'], undefined>;
/** How much a model is to think; the host refuses what it does not know. */
export const effortOf = (effort: string | undefined): Reasoning | undefined => effort as Reasoning | undefined;

const USUAL_REASONS: Readonly<Record<string, string>> = {
  length: 'length',
  'tool-calls': 'tool_calls',
  'content-filter': 'content_filter',
};
export const reasonOf = (unified: string): string => USUAL_REASONS[unified] ?? 'stop';

export const error = ({ status, message, code, param }: Failure): object => ({
  error: { message, type: status < 500 ? 'invalid_request_error' : 'server_error', param: param ?? null, code },
});
