/**
 * Requests of an MCP server for input of people, as the host puts them: `input_required` of 2026-07-28, and `elicitation/create` before. They ask
 * by a form alone: a server that wants people to open an address, a model, or folders, is refused.
 */
import { isDeeperThan, type Json } from '@corral/protocol/json';
import { QUESTIONS } from '@corral/protocol/limits-questions';
import type { GivenInput, InputRequest } from '@corral/protocol/model/question';
import type { Checked } from '@corral/protocol/ports/contract';
import { evaluator, isObject } from '../host/evaluate.ts';
import { faultOf } from '../question-schema.ts';

type Schema = InputRequest['schema'];

/** The question, or why nobody is asked it. */
type Read<Value> = { readonly value: Value } | { readonly refused: string };

interface Form {
  readonly message: string;
  readonly schema: Schema;
}

/** @param params of `elicitation/create` */
function formOf(params: unknown): Read<Form> {
  const { mode = 'form', message, requestedSchema } = isObject(params) ? params : {};
  if (mode !== 'form') return { refused: 'it wants people to open an address, which this host does not do' };
  if (typeof message !== 'string' || message === '') return { refused: 'its question has no text' };
  if (!isObject(requestedSchema)) return { refused: 'its question has no schema' };
  // People give what is asked for and nothing else.
  const schema = { ...requestedSchema, additionalProperties: false };
  const fault = faultOf(schema);
  return fault === undefined ? { value: { message, schema } } : { refused: `the schema of its question ${fault}` };
}

function asked(message: string, schema: Schema, state: Json, live?: true): Read<InputRequest> {
  const { question_chars, state_bytes } = QUESTIONS;
  if (message.length > question_chars.default) return { refused: `its question has more than ${question_chars.default} characters` };
  if (Buffer.byteLength(JSON.stringify(state)) > state_bytes.default)
    return { refused: `it keeps more than ${state_bytes.default} bytes of state with its question` };
  return { value: { question: message, schema, state, ...(live === undefined ? {} : { live }) } };
}

/** The answer of a server instead of a result. */
export interface InputRequired {
  readonly inputRequests?: unknown;
  readonly requestState?: unknown;
}

export const isInputRequired = (answer: unknown): answer is InputRequired => isObject(answer) && answer['resultType'] === 'input_required';

/** The state of a request: by which names the server wants the answers, and what it wants to have back. */
interface Kept {
  readonly names: readonly string[];
  readonly state?: string;
}

/** @returns undefined if the server wants nothing but to be asked again */
export function requestIn({ inputRequests, requestState }: InputRequired): Read<InputRequest> | undefined {
  const requests = isObject(inputRequests) && !isDeeperThan(inputRequests, QUESTIONS.schema_depth.default + 4) ? inputRequests : undefined;
  if (inputRequests !== undefined && requests === undefined) return { refused: 'its question cannot be read' };
  const names = Object.keys(requests ?? {});
  if (names.length === 0) return undefined;
  const forms: Form[] = [];
  for (const name of names) {
    const { method, params } = isObject(requests?.[name]) ? requests[name] : {};
    if (method !== 'elicitation/create')
      return { refused: `it asked for ${JSON.stringify(method)?.slice(0, 100)}, which no server is given` };
    const form = formOf(params);
    if ('refused' in form) return form;
    forms.push(form.value);
  }
  const kept: Kept = { names, ...(typeof requestState === 'string' ? { state: requestState } : {}) };
  const [first] = forms;
  if (first !== undefined && forms.length === 1) return asked(first.message, first.schema, kept as unknown as Json);
  const schema: Schema = {
    type: 'object',
    properties: Object.fromEntries(names.map((name, i) => [name, forms[i]?.schema ?? {}])),
    required: names,
    additionalProperties: false,
  };
  const fault = faultOf(schema);
  if (fault !== undefined) return { refused: `the schema of its questions ${fault}` };
  return asked(names.map((name, i) => `${name}: ${forms[i]?.message ?? ''}`).join('\n'), schema, kept as unknown as Json);
}

/** The parameters by which a server goes on with a call, once it is known what became of its request. */
export function goingOn({ state, action, value }: GivenInput): Readonly<Record<string, unknown>> {
  const { names = [], state: requestState } = (state ?? {}) as unknown as Partial<Kept>;
  const answerOf = (name: string) => (names.length === 1 ? value : (value as Readonly<Record<string, Json>> | undefined)?.[name]);
  const inputResponses = Object.fromEntries(
    names.map((name) => [name, action === 'accept' ? { action, content: answerOf(name) } : { action }]),
  );
  return { ...(names.length === 0 ? {} : { inputResponses }), ...(requestState === undefined ? {} : { requestState }) };
}

/** @param token by which the call that waits is found again */
export function liveRequest(params: unknown, token: string): Read<InputRequest> {
  const form = formOf(params);
  return 'refused' in form ? form : asked(form.value.message, form.value.schema, { live: token }, true);
}

export const tokenIn = ({ state }: GivenInput): string | undefined =>
  isObject(state) && typeof state['live'] === 'string' ? state['live'] : undefined;

/** In a bounded number of steps. A pattern in the schema is shown and never run. */
export const checkAnswer = ({ schema }: InputRequest, answer: Json): Checked => evaluator(schema)(answer);
