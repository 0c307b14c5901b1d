import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { ASKS_MODEL, type Tool, type ToolCall } from '@corral/protocol/ports/tool';
import { Vault } from './secrets.ts';

const KEY = 'sk-7f3a"9c-7f3a';
const OTHER = 'sk-7f00';

/** The parts that come of these, handed over by a tool that knows both secrets. */
async function said(parts: readonly Json[], waits = true): Promise<readonly Json[]> {
  const vault = new Vault({ key: { env: 'KEY' }, other: { env: 'OTHER' } }, { KEY, OTHER });
  const given: Json[] = [];
  const tool = vault.guard({
    name: 'talk',
    annotations: ASKS_MODEL,
    invoke: async ({ part }: ToolCall) => {
      await Promise.all([vault.read('key'), vault.read('other')]);
      for (const one of parts) {
        const taken = part?.(one);
        if (waits) await taken;
      }
      return { kind: 'ok', value: null };
    },
  } as unknown as Tool);
  const call = { input: {}, part: async (part: Json) => void given.push(part) } as unknown as ToolCall;
  expect(await tool.invoke(call)).toEqual({ kind: 'ok', value: null });
  return given;
}

const delta = (text: string, id = '0') => ({ type: 'text-delta', id, delta: text });
const cut = (text: string, size: number) => text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
const textOf = (parts: readonly Json[]) =>
  parts.map((part) => (typeof part === 'string' ? part : (part as { delta: string }).delta)).join('');

describe('the parts of a tool that repeats its secrets', () => {
  test.each([1, 2, 3, 7, 100])('hold none of them, however they are cut: %d characters at a time', async (size) => {
    const text = `the keys are ${KEY}, ${OTHER} and sk-7f3a.`;
    const clean = 'the keys are [secret:key], [secret:other] and sk-7f3a.';
    expect(textOf(await said(cut(text, size)))).toBe(clean);
    expect(
      textOf(
        await said(
          cut(text, size).map((piece) => delta(piece)),
          false,
        ),
      ),
    ).toBe(clean);
    const inJson = JSON.stringify({ key: KEY });
    expect(textOf(await said(cut(inJson, size).map((piece) => delta(piece))))).toBe('{"key":"[secret:key]"}');
  });

  test('hold none in other members either, and stay in order; what only begins like one comes before the next part', async () => {
    const start = { type: 'text-start', id: '0' };
    const end = { type: 'text-end', id: '0' };
    const parts = [start, delta('ask sk-'), end, { type: 'raw', deep: [{ [KEY]: KEY }] }, delta('sk-7', '1'), delta('f00', '2'), 'sk-'];
    expect(await said(parts)).toEqual([
      start,
      delta('ask '),
      delta('sk-'),
      end,
      { type: 'raw', deep: [{ '[secret:key]': '[secret:key]' }] },
      delta('sk-7', '1'),
      delta('f00', '2'),
      'sk-',
    ]);
  });

  test('are, put together, what the whole text is without secrets', async () => {
    const word = fc.oneof(fc.constantFrom(KEY, OTHER, 'sk-', 'sk-7f', '7f3a', '"', ' '), fc.string({ maxLength: 3 }));
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 8 }), fc.integer({ min: 1, max: 9 }), async (words, size) => {
        const text = words.join('');
        expect(textOf(await said(cut(text, size)))).toBe(textOf(await said([text])));
      }),
      { numRuns: 200 },
    );
  });
});
