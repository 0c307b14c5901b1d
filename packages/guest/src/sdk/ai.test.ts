/** A model capability as a language model of the AI SDK: the parts that the SDK is given of an answer. */
import { expect, test } from 'vitest';
import { aiModel } from './ai.ts';
import type { ModelAnswer } from './model.ts';

const SIGNED = { anthropic: { signature: 's' } };
const BYTES = { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } };
const ADDRESS = { type: 'file', mediaType: 'image/png', data: { type: 'url', url: 'https://a.example' } };
const CUSTOM = { type: 'custom', kind: 'p.own' };
const CALL = { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: '{}' };
const ANSWER = {
  content: [{ type: 'reasoning', text: 'hm', providerMetadata: SIGNED }, { type: 'text', text: 'Hi.' }, CALL, BYTES, ADDRESS, CUSTOM],
  text: 'Hi.',
  finishReason: { unified: 'stop' },
  usage: { inputTokens: { total: 2 }, outputTokens: { total: 1 } },
  warnings: [{ type: 'other' }],
  response: { id: 'r-1', modelId: 'm-1', timestamp: '2026-11-29T12:00:00.000Z' },
  maker: { provider: 'p', model: 'm-1' },
} as unknown as ModelAnswer;

/** Answers as a whole only, as the host lets a model with inspectors do. */
const whole = Object.assign(async () => ANSWER, {
  stream: () => ({
    next: () => Promise.reject(Object.assign(new Error('no'), { code: 'CORRAL_STREAM_UNSUPPORTED' })),
    return: () => Promise.resolve({ done: true, value: undefined }),
    result: new Promise(() => undefined),
  }),
});

async function partsOf(specification: 'v3' | 'v4'): Promise<readonly object[]> {
  const model = aiModel(whole as never, { specification });
  const { stream } = (await model.doStream({ prompt: [] } as never)) as { readonly stream: ReadableStream<object> };
  const parts: object[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const STARTS = [
  { type: 'stream-start', warnings: [{ type: 'other' }] },
  { type: 'response-metadata', id: 'r-1', modelId: 'm-1', timestamp: new Date('2026-11-29T12:00:00.000Z') },
  { type: 'reasoning-start', id: '0', providerMetadata: SIGNED },
  { type: 'reasoning-delta', id: '0', delta: 'hm' },
  { type: 'reasoning-end', id: '0', providerMetadata: SIGNED },
  { type: 'text-start', id: '1' },
  { type: 'text-delta', id: '1', delta: 'Hi.' },
  { type: 'text-end', id: '1' },
  CALL,
];
const ENDS = {
  type: 'finish',
  finishReason: { unified: 'stop', raw: undefined },
  usage: { inputTokens: { total: 2 }, outputTokens: { total: 1 } },
  providerMetadata: { corral: { provider: 'p', model: 'm-1' } },
};

test('a stream of a model that answers as a whole only has the parts of its answer', async () => {
  expect(await partsOf('v4')).toEqual([...STARTS, BYTES, ADDRESS, CUSTOM, ENDS]);
});

test('for the third version, files are bytes without a tag, and what it has no part for is left out', async () => {
  const untagged = { type: 'file', mediaType: 'image/png', data: 'AAAA' };
  expect(await partsOf('v3')).toEqual([...STARTS, untagged, ENDS]);
  const { content } = (await aiModel(whole as never, { specification: 'v3' }).doGenerate({ prompt: [] } as never)) as { content: unknown };
  expect(content).toEqual([...ANSWER.content.slice(0, 3), untagged]);
});

test('the result of a function goes to the host without the arguments that a framework repeats in it', async () => {
  let asked: unknown;
  const model = aiModel(((request: unknown) => ((asked = request), Promise.resolve(ANSWER))) as never);
  const result = { type: 'tool-result', toolCallId: 'c', toolName: 'f', output: { type: 'text', value: '21' } };
  await model.doGenerate({ prompt: [{ role: 'tool', content: [{ ...result, input: { city: 'Rome' } }] }] } as never);
  expect(asked).toMatchObject({ prompt: [{ role: 'tool', content: [result] }] });
  expect(JSON.stringify(asked)).not.toContain('Rome');
});
