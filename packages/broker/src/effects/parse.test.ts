import { expect, test } from 'vitest';
import { DEFAULT_CEILINGS } from '@corral/protocol/limits';
import { EffectReader, parseEffects } from './parse.ts';

const emit = (n: number) => ({ kind: 'emit', event: 'drop', data: n });
const events = Array.from({ length: 5 }, (_, n) => emit(n));

test('effects that are read a few at a time are the same as those that are read at once', () => {
  const text = JSON.stringify(events);
  const reader = new EffectReader(text, DEFAULT_CEILINGS);
  expect([reader.go(2), reader.go(2), reader.go(2), reader.go(2)]).toEqual([true, true, false, false]);
  expect(reader.effects).toEqual(events);
  expect(reader.outcome).toBeUndefined();
  expect(parseEffects(text, DEFAULT_CEILINGS)).toEqual(events);
});

test('an effect of the wrong shape ends the reading, and is named by its place in the crank', () => {
  const text = JSON.stringify([...events, { kind: 'emit', event: 7, data: 1 }, emit(6)]);
  const reader = new EffectReader(text, DEFAULT_CEILINGS);
  expect([reader.go(4), reader.go(4), reader.go(4)]).toEqual([true, false, false]);
  expect(reader.outcome).toMatchObject({
    kind: 'failed',
    code: 'CORRAL_EFFECT_INVALID',
    message: expect.stringContaining('wrong shape: 5.event:'),
  });
  expect(parseEffects(text, DEFAULT_CEILINGS)).toEqual(reader.outcome);
});

test('an effect that is longer than a message may be ends the reading', () => {
  const text = JSON.stringify([...events, { kind: 'emit', event: 'drop', data: 'x'.repeat(DEFAULT_CEILINGS.message_bytes) }]);
  const reader = new EffectReader(text, DEFAULT_CEILINGS);
  while (reader.go(5));
  expect(reader.effects).toEqual(events);
  expect(reader.outcome).toMatchObject({ kind: 'failed', code: 'CORRAL_EFFECT_TOO_LARGE' });
});

test('a call may be as long as one of a model, and is read; whether it is one is decided later', () => {
  const ceilings = { ...DEFAULT_CEILINGS, message_bytes: 1_000, model_request_bytes: 5_000 };
  const effect = (kind: string, length: number) =>
    JSON.stringify([
      { kind, ...(kind === 'call' ? { cap: 1, input: 'x'.repeat(length), id: 1 } : { event: 'x', data: 'x'.repeat(length) }) },
    ]);
  const refused = { kind: 'failed', code: 'CORRAL_EFFECT_TOO_LARGE' };
  expect(parseEffects(effect('call', 4_000), ceilings)).toHaveLength(1);
  expect(parseEffects(effect('call', 5_000), ceilings)).toMatchObject(refused);
  expect(parseEffects(effect('emit', 4_000), ceilings)).toMatchObject(refused);
  // A run that was admitted before models had a bound of their own.
  const { model_request_bytes: _, ...older } = ceilings;
  expect(parseEffects(effect('call', 4_000), older as typeof ceilings)).toMatchObject(refused);
});

const data = (text: string) => `[{"kind":"emit","event":"x","data":${text}}]`;
const outcomeOf = (text: string) => {
  const parsed = parseEffects(text, DEFAULT_CEILINGS);
  return 'kind' in parsed ? parsed : undefined;
};

// Bug infinity: people were shown null for it, the digest was that of null, and the tool got Infinity.
test.each(['1e400', '-1e400', '[1,{"a":1E+999}]', `1${'0'.repeat(400)}`, '-0', '-0.0', '-0e5', '-1e-400'])(
  'a number that JavaScript cannot hold, such as %s, ends the reading',
  (number) => {
    expect(outcomeOf(data(number))).toMatchObject({ kind: 'failed', code: 'CORRAL_JSON_UNSUPPORTED' });
  },
);

test.each(['1e308', '-0.5', '0', '1.7976931348623157e308', '"1e400"', '{"1e400":"-0"}', '12345678901234567890', '1e-400'])(
  '%s is read as JSON reads it',
  (text) => {
    expect(parseEffects(data(text), DEFAULT_CEILINGS)).toEqual([{ kind: 'emit', event: 'x', data: JSON.parse(text) as unknown }]);
  },
);

test.each([
  ['more members than may leave at once', `{"a":[${'[],'.repeat(60_000)}0]}`],
  ['more different names than may leave at once', `{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":0`).join(',')}}`],
])('%s end the run before they are parsed', (_, text) => {
  expect(outcomeOf(data(text))).toMatchObject({ kind: 'exceeded', limit: 'crank_members' });
});

test('members are counted over all effects of the crank, and effects themselves do not count', () => {
  const wide = emit(0);
  const some = JSON.stringify(Array.from({ length: 4 }, () => ({ ...wide, data: Array(20_000).fill(1) })));
  expect(outcomeOf(some)).toMatchObject({ kind: 'exceeded', limit: 'crank_members' });
  const many = Array.from({ length: 10_000 }, (_, n) => emit(n));
  expect(parseEffects(JSON.stringify(many), DEFAULT_CEILINGS)).toEqual(many);
});

test.each([
  ['an effect of many members', `[{"kind":"log",${Array.from({ length: 50 }, (_, i) => `"k${i}":0`).join(',')}}]`],
  ['many handles', `[{"kind":"send","id":1,"cap":1,"body":null,"handles":[${'1,'.repeat(5_000)}1]}]`],
  ['a long part of a handle', `[{"kind":"open","id":1,"handle":1,"at":[${'-1,'.repeat(5_000)}1]}]`],
  [
    'many capabilities',
    `[{"kind":"send","id":1,"cap":1,"body":null,"caps":{${Array.from({ length: 5_000 }, (_, i) => `"k${i}":0`).join(',')}}}]`,
  ],
  ['a condition on __proto__', `[{"kind":"send","id":1,"cap":1,"body":null,"caps":{"a":{"cap":1,"where":{"__proto__":{"equals":1}}}}}]`],
  ['a capability under the name __proto__', `[{"kind":"send","id":1,"cap":1,"body":null,"caps":{"__proto__":{"cap":1}}}]`],
  ['many rights', `[{"kind":"send","id":1,"cap":1,"body":null,"caps":{"a":{"cap":1,"rights":[${'1,'.repeat(5_000)}1]}}}]`],
])('%s are refused with one complaint', (_, text) => {
  expect(outcomeOf(text)).toMatchObject({ kind: 'failed', code: 'CORRAL_EFFECT_INVALID' });
});

test.each([
  '',
  '{}',
  '7',
  'null',
  '[',
  '[1',
  '[{]}',
  '[]]',
  '[][]',
  '[1,]',
  '[,1]',
  '{"a":[1,2]}',
  '["]',
  '[{"kind":"log"}',
  '[{"a" 1}]',
  '[]7',
  '[{"kind":"log","level":"info","text":"x"}]9007199254740993',
  '[] []',
  '[]"a"',
  '[]\u00a0',
  '\u00a0[]',
  '[]:',
  '[],',
])('a text that is no list of effects, such as %j, is refused', (text) => {
  expect(outcomeOf(text)).toMatchObject({ kind: 'failed', code: 'CORRAL_EFFECT_INVALID' });
});

test('white space, escapes and brackets within strings change nothing', () => {
  const odd = { kind: 'emit', event: '}],"[{', data: ['\\', '"', ']', { '{"': '\\"' }] };
  const text = ` [\n ${JSON.stringify(odd, null, 2)} , ${JSON.stringify(odd)}\t]  `;
  expect(parseEffects(text, DEFAULT_CEILINGS)).toEqual([odd, odd]);
  expect(parseEffects('[ ]', DEFAULT_CEILINGS)).toEqual([]);
});
