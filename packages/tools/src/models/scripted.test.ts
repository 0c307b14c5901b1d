import { expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { contentOf } from './parts.ts';
import { ModelRequest, type AnswerPart } from './request.ts';
import { scriptedModel, type Turn } from './scripted.ts';

const CALL = { idempotency_key: 'k', signal: new AbortController().signal };
const request = ModelRequest.parse({ prompt: 'a refund of 30' });

async function streamed(turn: Turn, signal = CALL.signal) {
  const parts: AnswerPart[] = [];
  const part = (one: Json) => Promise.resolve(void parts.push(one as AnswerPart));
  const end = await scriptedModel([turn])
    .ask(request, { ...CALL, signal, part })
    .catch((error: unknown) => error);
  return { parts, end, pieces: parts.flatMap(({ type, delta }) => (type === 'text-delta' ? [delta] : [])) };
}

test.each([
  ['It is done.', ['It', ' is', ' done.']],
  ['  two\n\nlines \n', ['  two', '\n\nlines \n']],
  ['   ', ['   ']],
  [
    ['It i', 's', ' done'],
    ['It i', 's', ' done'],
  ],
] satisfies [Turn['say'], string[]][])('a script streams what it says in words, or as it was cut: %j', async (say, pieces) => {
  const said = await streamed({ say });
  expect(said.pieces).toEqual(pieces);
  expect(await streamed({ say })).toEqual(said);
});

test('a script streams a long text of blanks, which a stranger may have written, as fast as any other', async () => {
  const blanks = ' '.repeat(500_000);
  expect((await streamed({ say: blanks })).pieces).toEqual([blanks]);
});

test('the parts of a stream add up to the answer, calls included', async () => {
  const turn: Turn = { when: { matches: '(\\d+)' }, say: 'I pay $1.', call: [{ tool: 'pay', input: { amount: '$1:number' } }] };
  const answer = await scriptedModel([turn]).ask(request, CALL);
  const { parts, end } = await streamed(turn);
  expect(contentOf(parts)).toEqual(answer.content);
  expect(end).toEqual({ ...answer, content: [], text: '' });
  expect(parts.map(({ type }) => type)).toContain('tool-input-delta');
});

test('a script that fails says first what there is to say, as a stream', async () => {
  const { pieces, end } = await streamed({ say: 'half an answer', fail: 'lost' });
  expect([pieces, end]).toMatchObject([['half', ' an', ' answer'], { kind: 'lost' }]);
  expect(await streamed({ fail: 'busy' })).toMatchObject({ parts: [], end: { kind: 'busy' } });
  await expect(scriptedModel([{ say: 'half', fail: 'lost' }]).ask(request, CALL)).rejects.toMatchObject({ kind: 'lost' });
});

test('a stream with a pace ends when it is given up', async () => {
  expect((await streamed({ say: 'slowly', pace_ms: 60_000 }, AbortSignal.abort())).end).toMatchObject({ kind: 'lost' });
});

test.each([
  ['It is done.', 'It is', [' done.']],
  [['It i', 's', ' done'], 'It', [' i', 's', ' done']],
  ['It is done.', 'It is done.', []],
  ['It is done.', 'Something else', ['It', ' is', ' done.']],
] satisfies [Turn['say'], string, string[]][])(
  'a script goes on after the beginning that a conversation ends with: %j after %j',
  async (say, begun, pieces) => {
    const prompt = [
      { role: 'user', content: [{ type: 'text', text: 'a refund of 30' }] },
      { role: 'assistant', content: [{ type: 'text', text: begun }] },
    ];
    const rules: Turn[] = [{ when: { answers: 0, matches: 'refund' }, say }];
    const said: unknown[] = [];
    const part = (one: Json) =>
      Promise.resolve(void ((one as AnswerPart).type === 'text-delta' && said.push((one as AnswerPart)['delta'])));
    await scriptedModel(rules).ask(ModelRequest.parse({ prompt }), { ...CALL, part });
    expect(said).toEqual(pieces);
  },
);
