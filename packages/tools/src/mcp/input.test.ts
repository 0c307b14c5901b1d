/** Requests of an MCP server for input, as the host puts them, and the answers as the server gets them. */
import { describe, expect, test } from 'vitest';
import { checkAnswer, goingOn, liveRequest, requestIn } from './input.ts';

const NAME = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const form = (message: string, requestedSchema: object = NAME, more: object = {}) => ({
  method: 'elicitation/create',
  params: { message, requestedSchema, ...more },
});
const valueOf = (read: ReturnType<typeof requestIn>) => {
  if (read === undefined || 'refused' in read) throw new Error(read?.refused ?? 'nothing was asked');
  return read.value;
};

test('one form is one question, and its answer goes back under its name with the state of the server, unchanged', () => {
  const request = valueOf(requestIn({ inputRequests: { who: form('Who?') }, requestState: 'abc"\n' }));
  expect(request).toMatchObject({ question: 'Who?', schema: { ...NAME, additionalProperties: false } });
  expect(checkAnswer(request, { name: 'Ana' })).toMatchObject({ ok: true });
  expect([checkAnswer(request, {}), checkAnswer(request, { name: 'Ana', more: 1 })]).toMatchObject([{ ok: false }, { ok: false }]);
  const { state } = request;
  expect(goingOn({ state, action: 'accept', value: { name: 'Ana' } })).toEqual({
    inputResponses: { who: { action: 'accept', content: { name: 'Ana' } } },
    requestState: 'abc"\n',
  });
  expect(goingOn({ state, action: 'decline' })).toEqual({ inputResponses: { who: { action: 'decline' } }, requestState: 'abc"\n' });
});

test('several forms of one round are one question, whose answer has a part for each', () => {
  const request = valueOf(requestIn({ inputRequests: { who: form('Who?'), sure: form('Sure?', { type: 'object', properties: {} }) } }));
  expect(request.question).toBe('who: Who?\nsure: Sure?');
  expect(checkAnswer(request, { who: { name: 'Ana' }, sure: {} })).toMatchObject({ ok: true });
  expect(checkAnswer(request, { who: { name: 'Ana' } })).toMatchObject({ ok: false });
  expect(goingOn({ state: request.state, action: 'accept', value: { who: { name: 'Ana' }, sure: {} } })).toEqual({
    inputResponses: { who: { action: 'accept', content: { name: 'Ana' } }, sure: { action: 'accept', content: {} } },
  });
});

test('a form may have words with titles, and a list of words', () => {
  const schema = {
    type: 'object',
    properties: {
      old: { type: 'string', enum: ['a', 'b'], enumNames: ['A', 'B'] },
      one: { type: 'string', oneOf: [{ const: 'x', title: 'X' }] },
      many: { type: 'array', items: { type: 'string', enum: ['p', 'q'] }, minItems: 1 },
    },
  };
  const request = valueOf(requestIn({ inputRequests: { it: form('Which?', schema) } }));
  expect(checkAnswer(request, { old: 'a', one: 'x', many: ['p'] })).toMatchObject({ ok: true });
  expect(checkAnswer(request, { many: [] })).toMatchObject({ ok: false });
});

describe('what is refused', () => {
  test.each([
    ['an address that people are to open', form('Sign in', NAME, { mode: 'url', url: 'https://x' }), /open an address/],
    ['a model', { method: 'sampling/createMessage', params: {} }, /"sampling\/createMessage", which no server is given/],
    ['folders', { method: 'roots/list' }, /"roots\/list", which no server is given/],
    ['something that cannot be read', 7, /undefined, which no server is given/],
    ['a question without words', form(''), /has no text/],
    ['a question that is too long', form('x'.repeat(5_000)), /more than 4000 characters/],
    ['a schema with references', form('Who?', { $ref: '#' }), /keyword "\$ref"/],
    [
      'a schema that nests too deep',
      form('Who?', JSON.parse(`${'{"items":'.repeat(40)}{}${'}'.repeat(40)}`) as object),
      /cannot be read|deeper/,
    ],
  ])('%s', (_, request, why) => {
    expect(requestIn({ inputRequests: { it: request } })).toEqual({ refused: expect.stringMatching(why) as string });
  });

  test('more state than the host keeps', () => {
    expect(requestIn({ inputRequests: { it: form('Who?') }, requestState: 'x'.repeat(70_000) })).toEqual({
      refused: expect.stringMatching(/state/) as string,
    });
  });
});

test('a request without a question asks for nothing but another attempt', () => {
  expect(requestIn({ requestState: 'abc' })).toBeUndefined();
  expect(goingOn({ state: { names: [], state: 'abc' }, action: 'accept' })).toEqual({ requestState: 'abc' });
});

test('a question that comes during a call names the call that waits for it', () => {
  expect(liveRequest({ message: 'Who?', requestedSchema: NAME }, 't1')).toMatchObject({ value: { live: true, state: { live: 't1' } } });
});
