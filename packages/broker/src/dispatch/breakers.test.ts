import { describe, expect, test } from 'vitest';
import { BREAKER_SETTINGS } from '@corral/policy/detection/breaker';
import { Breakers, type Passed } from './breakers.ts';

const TOOL = 't read';
const SLOW_MS = 1_000;

/** Breakers of which one has rested since its tool had failed, and a call that was let through before. */
function rested(): { readonly breakers: Breakers; readonly before: Passed; readonly now: number } {
  const breakers = new Breakers();
  const before = breakers.admit(TOOL, 0) as Passed;
  for (let n = 0; n < BREAKER_SETTINGS.least; n++) breakers.settle(breakers.admit(TOOL, 0) as Passed, false, 1, 0, SLOW_MS);
  expect(breakers.admit(TOOL, 0)).toBeUndefined();
  return { breakers, before, now: BREAKER_SETTINGS.rest_ms };
}

/** How many calls are let through now, at most `tries`. */
function through(breakers: Breakers, now: number): Passed[] {
  return Array.from({ length: BREAKER_SETTINGS.tries + 1 }, () => breakers.admit(TOOL, now)).filter((one) => one !== undefined);
}

describe('a breaker that is half open', () => {
  test('lets another call through instead of a trial that was given up', () => {
    const { breakers, now } = rested();
    const [trial] = through(breakers, now);
    breakers.forget(trial as Passed);
    breakers.forget(trial as Passed);
    expect(through(breakers, now)).toHaveLength(1);
  });

  // Bug trial-of-another: a call of the time before, given up or answered now, counted as one of the trials.
  test('is not changed by a call that was let through before it opened', () => {
    const { breakers, before, now } = rested();
    const trials = through(breakers, now);
    expect(trials).toHaveLength(BREAKER_SETTINGS.tries);
    breakers.forget(before);
    expect(breakers.admit(TOOL, now)).toBeUndefined();
    breakers.settle(before, true, 1, now, SLOW_MS);
    breakers.settle(before, false, 1, now, SLOW_MS);
    for (const trial of trials) {
      expect(breakers.open()).toMatchObject([{ since: 0, why: '8 of its last 8 calls got no answer that can be used' }]);
      breakers.settle(trial, true, 1, now, SLOW_MS);
    }
    expect(breakers.open()).toEqual([]);
  });
});
