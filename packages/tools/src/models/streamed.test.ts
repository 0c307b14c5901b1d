import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import type { RunId, TenantId } from '@corral/protocol/ids';
import type { ToolCall, ToolResult } from '@corral/protocol/ports/tool';
import { modelTool, type ConfiguredModel } from './model.ts';
import { contentOf } from './parts.ts';
import { pricesOf } from './prices.ts';
import { providerModel, type ProviderOptions } from './providers.ts';
import type { AnswerPart } from './request.ts';
import { withinBounds } from './within.ts';

const event = (data: unknown) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const chat = (more: object) => event({ id: 'a', created: 1_800_000_000, model: 'm', system_fingerprint: 'fp', choices: [], ...more });
const says = (content: string) => chat({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const stops = chat({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
const counts = chat({ usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } });

/** Answers each request by `act`, from 0. */
async function serving(act: (response: ServerResponse, n: number, body: Readonly<Record<string, unknown>>) => unknown): Promise<string> {
  let n = 0;
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/event-stream');
    void request.toArray().then((all) => act(response, n++, JSON.parse(all.join('')) as Record<string, unknown>));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const PRICE = { input: 1_000_000, output: 2_000_000 };

function configured(options: ProviderOptions): ConfiguredModel {
  const model = withinBounds(providerModel(options, { secret: (name) => Promise.resolve(name) }), options.settings);
  const prices = pricesOf({ provider: options.provider, model: options.model }, PRICE);
  if (prices === undefined) throw new Error('no prices');
  return { model, prices, bounds: { max_output_tokens: 50 } };
}

interface Streaming {
  readonly signal?: AbortSignal;
  readonly part?: (part: AnswerPart) => Promise<void>;
  readonly attempt?: number;
  readonly request?: object;
}

/** Asks for a stream of one of the models. */
async function streamed(models: readonly [ConfiguredModel, ...ConfiguredModel[]], streaming: Streaming = {}) {
  const { signal = AbortSignal.timeout(50_000), attempt = 1, request = {} } = streaming;
  const parts: AnswerPart[] = [];
  const part = async (one: Json) => {
    parts.push(one as AnswerPart);
    await streaming.part?.(one as AnswerPart);
  };
  const tool = modelTool(models, { name: 'default' });
  const checked = tool.input.check({ prompt: 'a', ...request });
  if (!checked.ok) throw new Error(checked.message);
  const call: ToolCall = {
    input: checked.value as Json,
    idempotency_key: 'k',
    agent: 'a',
    person: 'local',
    attempt,
    run: 'run_1' as RunId,
    tenant: 't' as TenantId,
    signal,
    part,
  };
  const result = await tool.invoke(call);
  const fits = result.kind !== 'ok' || tool.output.check(result.value).ok;
  expect(fits).toBe(true);
  return { parts, result, text: contentOf(parts).flatMap((one) => (one.type === 'text' ? [one['text']] : [])) };
}

const compatible = (url: string): ProviderOptions => ({ provider: 'openai-compatible', model: 'm', base_url: url });
const atServer = async (...of: Parameters<typeof serving>) => configured(compatible(await serving(...of)));

const anthropic = (type: string, more: object) => `event: ${type}\n${event({ type, ...more })}`;
const ANSWERS: [ProviderOptions['provider'], string][] = [
  ['openai-compatible', says('Hel') + says('lo') + stops + counts + event('[DONE]')],
  [
    'openai',
    [
      { type: 'response.created', response: { id: 'a', created_at: 1_800_000_000, model: 'm' } },
      { type: 'response.output_item.added', output_index: 0, item: { type: 'message', id: 'i' } },
      { type: 'response.output_text.delta', item_id: 'i', delta: 'Hel' },
      { type: 'response.output_text.delta', item_id: 'i', delta: 'lo' },
      { type: 'response.output_item.done', output_index: 0, item: { type: 'message', id: 'i' } },
      { type: 'response.completed', response: { usage: { input_tokens: 3, output_tokens: 4 } } },
    ]
      .map((one) => event(one))
      .join(''),
  ],
  [
    'anthropic',
    anthropic('message_start', { message: { id: 'a', model: 'm', role: 'assistant', usage: { input_tokens: 3, output_tokens: 1 } } }) +
      anthropic('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
      anthropic('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hel' } }) +
      anthropic('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'lo' } }) +
      anthropic('content_block_stop', { index: 0 }) +
      anthropic('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 4 } }) +
      anthropic('message_stop', {}),
  ],
  [
    'google',
    ['Hel', 'lo']
      .map((text, i) =>
        event({
          candidates: [{ content: { role: 'model', parts: [{ text }] }, ...(i === 1 ? { finishReason: 'STOP' } : {}) }],
          usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4, totalTokenCount: 7 },
        }),
      )
      .join(''),
  ],
];

describe('a streamed answer', () => {
  test.each(ANSWERS)('of %s is handed over as it comes, and billed by what the provider counts at its end', async (provider, answer) => {
    const url = await serving((response) => void response.end(answer));
    const { parts, result, text } = await streamed([configured({ provider, model: 'm', key: 'key', base_url: url })]);
    expect(text).toEqual(['Hello']);
    expect(parts.filter(({ type }) => type === 'text-delta').map((one) => one['delta'])).toEqual(['Hel', 'lo']);
    expect(parts[0]?.type).toBe('stream-start');
    expect(parts.map(({ type }) => type)).not.toContain('finish');
    expect(result).toMatchObject({
      kind: 'ok',
      cost: { tokens: 7, money_micros: 11_000_000 },
      value: { content: [], text: '', finishReason: { unified: 'stop' }, maker: { provider, model: 'm' } },
    });
    // All of it is JSON.
    expect(JSON.parse(JSON.stringify([parts, result]))).toEqual([parts, result]);
  });

  test('names its time as text, and the back end', async () => {
    const model = await atServer((response) => void response.end(says('a') + stops + counts));
    const { parts, result } = await streamed([model]);
    expect(parts.find(({ type }) => type === 'response-metadata')).toMatchObject({ id: 'a', timestamp: '2027-01-15T08:00:00.000Z' });
    expect(result).toMatchObject({ value: { maker: { fingerprint: 'fp' }, response: { id: 'a', modelId: 'm' } } });
  });

  test('that the provider does not count is billed as reserved', async () => {
    const model = await atServer((response) => void response.end(says('a') + stops));
    const { result } = await streamed([model]);
    expect(result.kind).toBe('ok');
    expect(result).not.toHaveProperty('cost');
  });

  test('is read no faster than its parts are taken', async () => {
    const PIECES = 250;
    let sent = 0;
    const model = await atServer(async (response) => {
      for (; sent < PIECES; sent++)
        if (!response.write(says('x'.repeat(60_000)))) await new Promise((resolve) => void response.once('drain', resolve));
      response.end(stops + counts);
    });
    const held = Promise.withResolvers<undefined>();
    let taken = 0;
    const asked = streamed([model], { part: () => (taken++ === 3 ? held.promise : Promise.resolve()) });
    // Until the server sends nothing any more.
    for (let [still, last] = [0, 0]; still < 500; [still, last] = sent > 0 && sent === last ? [still + 1, last] : [0, sent])
      await new Promise((resolve) => void setImmediate(resolve));
    expect(sent).toBeLessThan(PIECES);
    held.resolve(undefined);
    const { text } = await asked;
    expect(text[0]).toHaveLength(PIECES * 60_000);
  });

  test('asks for what is permitted and reserved, as a whole answer does, and says what was left out', async () => {
    const bodies: unknown[] = [];
    const url = await serving((response, _, body) => {
      bodies.push(body);
      response.end(ANSWERS[2]?.[1]);
    });
    const model = configured({ provider: 'anthropic', model: 'claude', key: 'key', base_url: url });
    const { parts, result } = await streamed([model], { request: { reasoning: 'high', maxOutputTokens: 1_000 } });
    expect(bodies).toMatchObject([{ max_tokens: 50, stream: true }]);
    const warnings = [{ type: 'unsupported', feature: 'reasoning' }];
    expect([parts[0], result]).toMatchObject([{ type: 'stream-start', warnings }, { value: { warnings } }]);
    const refused = await streamed([model], { request: { providerOptions: { anthropic: { effort: 'max' } } } });
    expect(refused).toMatchObject({ parts: [], result: { kind: 'failed', cost: { tokens: 0 } } });
    expect(bodies).toHaveLength(1);
  });
});

const FREE = { tokens: 0, money_micros: 0 };

describe('a stream that fails before its first part', () => {
  const early: [string, (response: ServerResponse) => unknown, Partial<ToolResult>][] = [
    ['429', (response) => response.writeHead(429).end('{}'), { kind: 'failed', retryable: true, cost: FREE }],
    ['400', (response) => response.writeHead(400).end('{}'), { kind: 'failed', cost: FREE }],
    ['500', (response) => response.writeHead(500).end('{}'), { kind: 'unknown' }],
    ['a connection that breaks', (response) => response.destroy(), { kind: 'unknown' }],
    ['an error as its first event', (response) => response.end(event({ error: { message: 'no' } })), { kind: 'unknown' }],
    ['nothing', (response) => response.end(), { kind: 'unknown' }],
  ];
  test.each(early)('is as an answer that fails: %s', async (_, act, result) => {
    const seen = await streamed([await atServer((response) => act(response))]);
    expect(seen).toMatchObject({ parts: [], result });
    // A refusal costs nothing; a lost answer is billed as reserved.
    expect('cost' in seen.result).toBe(result.kind === 'failed');
  });

  test('is asked of the next model at the next attempt', async () => {
    const busy = await atServer((response) => void response.writeHead(503).end('{}'));
    const other = await atServer((response) => void response.end(says('here') + stops + counts));
    expect((await streamed([busy, other])).result).toMatchObject({ kind: 'failed', retryable: true });
    expect((await streamed([busy, other], { attempt: 2 })).text).toEqual(['here']);
  });

  test('is not handed over if another model answers than the configuration demands', async () => {
    const url = await serving((response) => void response.end(says('a') + stops + counts));
    const { parts, result } = await streamed([configured({ ...compatible(url), answers_as: 'other' })]);
    expect([parts, result]).toMatchObject([[], { kind: 'unknown', message: expect.stringContaining('demands other') as string }]);
  });
});

describe('a stream that fails after its first part', () => {
  const late: [string, (response: ServerResponse) => unknown][] = [
    ['the connection breaks', (response) => response.write(says('half'), () => response.destroy())],
    ['an event is an error', (response) => response.end(says('half') + event({ error: { message: 'no', type: 'server_error' } }))],
    ['an event is not JSON', (response) => response.end(says('half') + event('{'))],
    ['it ends without a reason', (response) => response.end(says('half'))],
  ];
  test.each(late)('was begun, so that it is never asked for again: %s', async (_, act) => {
    const { text, result } = await streamed([await atServer((response) => act(response))]);
    expect(text).toEqual(['half']);
    expect(result).toMatchObject({ kind: 'unknown' });
    expect(result).not.toHaveProperty('cost');
  });
});

test.each(['between two parts', 'while a part is taken'])('a stream that is given up %s closes its connection at once', async (when) => {
  const closed = Promise.withResolvers<undefined>();
  const model = await atServer((response) => {
    response.once('close', () => closed.resolve(undefined));
    response.write(says('half'));
  });
  const stop = new AbortController();
  const { result } = await streamed([model], {
    signal: stop.signal,
    part: ({ type }) => {
      if (type !== 'text-delta') return Promise.resolve();
      if (when === 'between two parts') setImmediate(() => stop.abort());
      else stop.abort();
      return when === 'between two parts' ? Promise.resolve() : Promise.reject(new Error('given up'));
    },
  });
  await closed.promise;
  expect(result).toMatchObject({ kind: 'unknown' });
});
