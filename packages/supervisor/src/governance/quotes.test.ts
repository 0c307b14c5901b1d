import { expect, test } from 'vitest';
import type { Decision } from '@corral/protocol/model/decision';
import type { Json } from '@corral/protocol/json';
import type { Entry } from '@corral/protocol/model/run';
import { quotesOf } from './quotes.ts';

/** The quotes of a mail for an amount. */
function quoted(amount: Json, mail: Json) {
  const delivery = JSON.stringify({ kind: 'reply', at: 1, results: [{ id: 1, value: mail }] });
  const entry = { seq: 1, at: 1, delivery, effects: undefined, decisions: [], event: undefined, cpu_us: 0 } satisfies Entry;
  const decisions = new Map<number, Decision>([[1, { id: 1, verdict: 'allow', tool: 'mail.read' } as never]]);
  return quotesOf([entry], decisions, { amount });
}

test('a short amount is quoted where it stands as a word of its own, and that proves nothing', () => {
  expect(quoted(640, 'please pay 640, today')).toMatchObject([{ path: 'amount', value: '640', source: 'mail.read', proven: false }]);
  for (const mail of ['pay 1640', 'pay 640.50', 'pay 0.640', 'room 640b']) expect(quoted(640, mail)).toEqual([]);
  expect(quoted(5, 'pay 5')).toEqual([]);
  expect(quoted(true, 'it is true')).toEqual([]);
});

test('a value that is long enough is quoted as proven', () => {
  expect(quoted(64_000, 'please pay 64000 today')).toMatchObject([{ path: 'amount', source: 'mail.read', proven: true }]);
});

test('what stands beside the text in its object is told with it, and nothing of another object', () => {
  const mail = (n: number) => ({ from: `${n}@example.com`, text: `please pay ${n}0000 today`, parts: ['a', 'b'], long: 'x'.repeat(500) });
  const beside = (n: number) => [
    { name: 'from', text: `${n}@example.com` },
    { name: 'parts', text: 'a' },
    { name: 'parts', text: 'b' },
  ];
  expect(quoted(70_000, [mail(6), mail(7)])).toMatchObject([{ text: 'please pay 70000 today', beside: beside(7) }]);
  expect(quoted(64_000, 'please pay 64000 today')).toMatchObject([{ beside: [] }]);
});
