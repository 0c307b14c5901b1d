/** The guests of the scoreboard are what their files say: each has a story, and an expectation that can be wrong. */
import { describe, expect, test } from 'vitest';
import { ERRORS } from '@corral/protocol/errors';
import { LIMIT_NAMES } from '@corral/protocol/limits';
import { guests } from './scoreboard/guests.ts';

const ALL = await guests();
const KINDS = ['builtins', 'calls', 'checkpoints', 'code', 'cpu', 'data', 'events', 'handles', 'logs', 'memory', 'messages'];
const OUTCOMES = new Set([
  'completed',
  'killed',
  'cancelled',
  'failed(stalled)',
  ...LIMIT_NAMES.map((limit) => `exceeded(${limit})`),
  ...Object.keys(ERRORS).map((code) => `failed(${code})`),
]);

test('there are at least eighty, of every kind', () => {
  expect(ALL.length).toBeGreaterThanOrEqual(80);
  const kinds = new Set(ALL.map(({ name }) => name.split('/')[0]));
  for (const kind of [...KINDS, 'promises', 'regex', 'slots', 'spawns', 'tamper', 'timers', 'zoo']) expect(kinds).toContain(kind);
});

describe.each(ALL)('$name', ({ does, ends, children = [], deploy, vary = {}, name }) => {
  test('says what it does, and how it ends in words that outcomes have', () => {
    expect(does).toMatch(/^[A-Z].{15,}\.$/s);
    const [words, allowed] = deploy === undefined ? [[ends, children].flat(), OUTCOMES] : [[deploy], new Set(Object.keys(ERRORS))];
    for (const one of words) expect(allowed).toContain(one);
    for (const [least, most] of Object.values(vary)) expect([name, least < most]).toEqual([name, true]);
  });
});
