import { expect, test } from 'vitest';
import { ModelRequest } from './request.ts';
import { permittedOf } from './settings.ts';

const request = (prompt: readonly object[], more: object = {}) => ModelRequest.parse({ prompt, ...more });
const text = (providerOptions: object) => ({ type: 'text', text: 'a', providerOptions });
const cached = { anthropic: { cacheControl: { type: 'ephemeral', ttl: '1h' } } };
const result = (more: object, output: object = { type: 'text', value: 'a' }) => ({
  role: 'tool',
  content: [{ type: 'tool-result', toolCallId: 'c', toolName: 'f', output, ...more }],
});

test('what a provider adds to an answer goes back with it, and what else is there is dropped', () => {
  const echoed = {
    openai: { itemId: 'x', phase: 'final', annotations: [] },
    anthropic: { signature: 's', caller: { type: 'direct' }, citations: [] },
    bedrock: { redactedContent: 'r' },
    amazonBedrock: { signature: 's', redactedData: 'd' },
    google: { thoughtSignature: 't' },
    compatible: { thoughtSignature: 't' },
  };
  const other = { ...echoed, anthropic: { ...echoed.anthropic, ...cached.anthropic }, mine: { a: 1 } };
  const one = request([{ role: 'assistant', content: [text(other), text({ mine: { a: 1 } })] }]);
  expect(permittedOf(one, [])).toEqual(request([{ role: 'assistant', content: [text(echoed), { type: 'text', text: 'a' }] }]));
  expect(permittedOf(one, ['anthropic.cacheControl', 'mine.a'])).toEqual(one);
});

test.each([
  ['the request', [{ role: 'system', content: 'a' }], { providerOptions: cached }],
  ['a message', [{ role: 'system', content: 'a', providerOptions: cached }], {}],
  ['an assistant message', [{ role: 'assistant', content: [], providerOptions: cached }], {}],
  ['a part of the user', [{ role: 'user', content: [text(cached)] }], {}],
  ['a result', [result({ providerOptions: cached })], {}],
  ['the output of a result', [result({}, { type: 'text', value: 'a', providerOptions: cached })], {}],
  ['a part of that', [result({}, { type: 'content', value: [text(cached)] })], {}],
  [
    'a function',
    [{ role: 'system', content: 'a' }],
    { tools: [{ type: 'function', name: 'f', inputSchema: {}, providerOptions: cached }] },
  ],
])('a setting of %s that is not permitted is named', (_where, prompt, more) => {
  expect(permittedOf(request(prompt, more), [])).toBe('anthropic.cacheControl');
  expect(permittedOf(request(prompt, more), ['anthropic.cacheControl'])).toEqual(request(prompt, more));
});

test('a setting of an answer is not one that an agent may choose elsewhere', () => {
  const itemId = { openai: { itemId: 'x' } };
  expect(permittedOf(request([{ role: 'user', content: [text(itemId)] }]), [])).toBe('openai.itemId');
  const after = request([result({ providerOptions: itemId })]);
  expect(permittedOf(after, [])).toEqual(after);
});

test('settings of the form of an answer need no permission', () => {
  const form = {
    openai: { textVerbosity: 'low', parallelToolCalls: false, reasoningSummary: 'auto' },
    anthropic: { disableParallelToolUse: true },
  };
  const one = request([{ role: 'system', content: 'a' }], { providerOptions: form });
  expect(permittedOf(one, [])).toEqual(one);
  expect(permittedOf(request([{ role: 'system', content: 'a' }], { providerOptions: { openai: { user: 'me' } } }), [])).toBe('openai.user');
});

test('what a framework notes of a message under a name that no provider reads is left out; elsewhere the name is refused', () => {
  const noted = { mastra: { createdAt: 1 } };
  const user = (more: object) => ({ role: 'user', content: [{ type: 'text', text: 'a', ...more }], ...more });
  const output = (more: object) => ({ type: 'content', value: [{ type: 'text', text: 'a', ...more }] });
  const asked = (more: object) =>
    request([{ role: 'system', content: 'a', ...more }, user(more), { ...result(more, output(more)), ...more }]);
  expect(permittedOf(asked({ providerOptions: noted }), [])).toEqual(asked({}));
  expect(permittedOf(asked({ providerOptions: { ...noted, ...cached } }), [])).toBe('anthropic.cacheControl');
  const permitted = asked({ providerOptions: noted });
  expect(permittedOf(permitted, ['mastra.createdAt'])).toEqual(permitted);
  for (const more of [{ providerOptions: noted }, { tools: [{ type: 'function', name: 'f', inputSchema: {}, providerOptions: noted }] }])
    expect(permittedOf(request([user({})], more), [])).toBe('mastra.createdAt');
});
