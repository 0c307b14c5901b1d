import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { answerOf } from './answer.ts';
import type { ModelFailure } from './model.ts';
import { opened, providerModel, type ProviderOptions } from './providers.ts';
import { ModelAnswer, ModelRequest } from './request.ts';

interface Seen {
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
}
type Reply = Readonly<Record<string, unknown>> | number;

async function serving(reply: (n: number) => Reply) {
  const asked: Seen[] = [];
  const server = createServer((request, response) => {
    const said = reply(asked.push({ url: request.url ?? '', headers: request.headers }) - 1);
    response.setHeader('content-type', 'application/json');
    if (typeof said === 'number') response.writeHead(said).end('{"error":{"message":"no"}}');
    else response.end(JSON.stringify(said));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const chat = (more: object = {}) => ({
  id: 'a',
  created: 1_800_000_000,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
  ...more,
});

const asking = (options: ProviderOptions, request: object = {}) =>
  providerModel(options, { secret: (name) => Promise.resolve(`the ${name}`) }).ask(ModelRequest.parse({ prompt: 'a', ...request }), {
    signal: AbortSignal.timeout(50_000),
    idempotency_key: 'k',
  });

const compatible = (url: string): ProviderOptions => ({ provider: 'openai-compatible', model: 'm', base_url: url });

const failureOf = (asked: Promise<unknown>): Promise<ModelFailure> =>
  asked.then(
    () => {
      throw new Error('there is an answer');
    },
    (error: unknown) => error as ModelFailure,
  );

const ADDRESSES = ['OPENAI_BASE_URL', 'ANTHROPIC_BASE_URL', 'AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_BEDROCK_RUNTIME', 'AWS_REGION'];
const KEYS = [
  'OPENAI_API_KEY',
  'ANTHROPIC_API_KEY',
  'GOOGLE_GENERATIVE_AI_API_KEY',
  'AWS_BEARER_TOKEN_BEDROCK',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
];

describe('a failure', () => {
  test.each([
    [425, 'busy'],
    [429, 'busy'],
    [503, 'busy'],
    [529, 'busy'],
    [408, 'lost'],
    [409, 'lost'],
    [500, 'lost'],
    [502, 'lost'],
    [504, 'lost'],
    [400, 'refused'],
    [401, 'refused'],
    [404, 'refused'],
    [413, 'refused'],
  ])('with the status %i is %s', async (status, kind) => {
    const { url } = await serving(() => status);
    expect((await failureOf(asking(compatible(url)))).kind).toBe(kind);
  });

  test('before anything was sent costs nothing and says what the package says', async () => {
    const { url, asked } = await serving(() => chat());
    const file = { type: 'file', mediaType: 'application/x-odd', data: { type: 'data', data: 'aGVsbG8=' } };
    const failure = await failureOf(asking(compatible(url), { prompt: [{ role: 'user', content: [file] }] }));
    expect(failure).toMatchObject({ kind: 'refused', message: expect.stringMatching(/application\/x-odd/) as string });
    expect(asked).toHaveLength(0);
  });

  test('of an answer that cannot be read may be billed', async () => {
    const { url } = await serving(() => ({ choices: 'none' }));
    expect((await failureOf(asking(compatible(url)))).kind).toBe('lost');
  });
});

test('an attempt is one request, also where a provider wants the rest of an answer to be asked for', async () => {
  const part = (finishReason: string, more: object) => ({
    candidates: [{ content: { role: 'model', parts: [{ text: 'half' }] }, finishReason, ...more }],
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
  });
  const { url, asked } = await serving((n) => (n === 0 ? part('CONTINUATION', { continuationToken: 't' }) : part('STOP', {})));
  const failure = await failureOf(asking({ provider: 'google', model: 'gemini-2.5-pro', key: 'key', base_url: url }));
  expect(failure).toMatchObject({ kind: 'lost', message: expect.stringContaining('second request') as string });
  expect(asked).toHaveLength(1);
});

test.each([
  ['openai', {}, 'https://api.openai.com/v1/responses'],
  ['anthropic', {}, 'https://api.anthropic.com/v1/messages'],
  ['google', {}, 'https://generativelanguage.googleapis.com/v1beta/models/m:generateContent'],
  ['bedrock', { region: 'eu-west-1' }, 'https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse'],
  ['bedrock', { region: 'cn-north-1' }, 'https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/m/converse'],
] satisfies [ProviderOptions['provider'], object, string][])(
  'the environment of the host does not say where %s is, and gives no key',
  async (provider, more, address) => {
    for (const name of ADDRESSES) vi.stubEnv(name, 'https://elsewhere.example');
    for (const name of KEYS) vi.stubEnv(name, 'of-the-environment');
    onTestFinished(() => void vi.unstubAllEnvs());
    const seen: [string, object][] = [];
    const noting: typeof fetch = (input, init) => {
      seen.push([input as string, Object.fromEntries(new Headers(init?.headers))]);
      return Promise.reject(new Error('no network'));
    };
    const { prompt } = ModelRequest.parse({ prompt: 'a' });
    for (const keys of [
      { key: 'key', secret_key: 'secret' },
      { key: undefined, secret_key: undefined },
    ]) {
      const model = await opened({ provider, model: 'm', ...more }, keys, noting);
      await failureOf(Promise.resolve(model.doGenerate({ prompt } as LanguageModelV4CallOptions)));
    }
    expect(seen.map(([url]) => url)).toContain(address);
    expect(new Set(seen.map(([url]) => url)).size).toBe(1);
    expect(JSON.stringify(seen)).not.toContain('of-the-environment');
  },
);

test('a key that could not be used is not kept', async () => {
  const { url, asked } = await serving(() => chat());
  let key = 'with\nan end of line';
  const model = providerModel({ ...compatible(url), key: 'key' }, { secret: () => Promise.resolve(key) });
  const ask = () => model.ask(ModelRequest.parse({ prompt: 'a' }), { signal: AbortSignal.timeout(50_000), idempotency_key: 'k' });
  expect(await failureOf(ask())).toMatchObject({ kind: 'refused' });
  key = 'good';
  expect((await ask()).text).toBe('ok');
  expect(asked).toMatchObject([{ headers: { authorization: 'Bearer good' } }]);
});

describe('an answer that was paid for', () => {
  const odd = (more: object) =>
    answerOf(
      {
        content: [{ type: 'text', text: 'a' }],
        finishReason: { unified: 'stop', raw: 'stop' },
        usage: { inputTokens: { total: 3 }, outputTokens: { total: 4 } },
        warnings: [],
        ...more,
      } as unknown as LanguageModelV4GenerateResult,
      { provider: 'p', model: 'm' },
    );

  test.each([
    [
      'counts below nothing',
      { usage: { inputTokens: { total: -1, noCache: 2 }, outputTokens: { total: Number.NaN, text: Infinity } } },
      { usage: { inputTokens: { noCache: 2 }, outputTokens: {} } },
    ],
    ['no counts', { usage: undefined }, { usage: { inputTokens: {}, outputTokens: {} } }],
    ['a date that is none', { response: { id: 'i', timestamp: new Date(Number.NaN) } }, { response: { id: 'i' } }],
    ['a date', { response: { timestamp: new Date(0) } }, { response: { timestamp: '1970-01-01T00:00:00.000Z' } }],
    ['a new reason to finish', { finishReason: { unified: 'interrupted', raw: 'x' } }, { finishReason: { unified: 'other', raw: 'x' } }],
    ['no reason to finish', { finishReason: undefined }, { finishReason: { unified: 'other' } }],
    ['another text for JSON', { structuredOutputText: '{}' }, { structuredOutputText: '{}' }],
    ['metadata without content', { providerMetadata: { p: null, q: { a: 1 } } }, { providerMetadata: { q: { a: 1 } } }],
    ['parts without a type', { content: [null, {}, { type: 'text', text: 'b' }] }, { content: [{ type: 'text', text: 'b' }], text: 'b' }],
  ])('is given also with %s', (_, more, fits) => {
    const answer = odd(more);
    expect(ModelAnswer.parse(answer)).toEqual(answer);
    expect(answer).toMatchObject(fits);
    const { content: _content, ...exactly } = fits as Partial<ModelAnswer>;
    expect(Object.fromEntries(Object.keys(exactly).map((name) => [name, answer[name as 'text']]))).toEqual(exactly);
  });
});
