import { describe, expect, it } from 'vitest';
import { ERRORS } from '@corral/protocol/errors';
import { Outcome } from '@corral/protocol/model/outcome';
import type { LadderStep, WaitingOn } from '@corral/protocol/model/run';
import type { Delivery } from '@corral/protocol/wire/delivery';
import { VOCABULARY } from './vocabulary.ts';

/** Tables that TypeScript refuses to be incomplete. */
const WAITS: Record<WaitingOn, true> = {
  call: true,
  message: true,
  timer: true,
  child: true,
  approval: true,
  resolution: true,
  upgrade: true,
  nothing: true,
};
const STEPS: Record<LadderStep, true> = { observe: true, notice: true, slow: true, pause: true, kill: true };
const DELIVERIES: Record<Delivery['kind'], true> = {
  start: true,
  reply: true,
  chunk: true,
  message: true,
  timer: true,
  child_ended: true,
  cancel: true,
  notice: true,
};

describe('the vocabulary of telemetry', () => {
  it('has every outcome, wait, delivery, step and code that the host knows, so that names of others never crowd them out', () => {
    const outcomes = Outcome.options.map(({ shape: { kind } }) => kind.value);
    const words = [...outcomes, ...[WAITS, STEPS, DELIVERIES].flatMap((one) => Object.keys(one)), ...Object.keys(ERRORS)];
    expect(words.filter((word) => !VOCABULARY.includes(word))).toEqual([]);
  });

  it('gives each word one number', () => {
    expect(new Set(VOCABULARY).size).toBe(VOCABULARY.length);
    expect(VOCABULARY[0]).toBe('');
  });
});
