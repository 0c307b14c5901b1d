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
  expect([reader.go(5), reader.go(5)]).toEqual([true, false]);
  expect(reader.outcome).toMatchObject({ kind: 'failed', code: 'CORRAL_EFFECT_TOO_LARGE' });
});
