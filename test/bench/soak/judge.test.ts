/** Tests that the soak's account finds the faults it looks for. */
import { expect, test } from 'vitest';
import type { Json } from '@corral/protocol/json';
import { judge, type Ended } from './judge.ts';
import { slopePerHour } from './slope.ts';
import type { Job } from './work.ts';

const done = (more: object) => ({ once: 0, again: 0, pay: 0, failed: [], ...more });
const ended = (job: Job, output: Json, settled = 0): Ended => ({ job, outcome: { kind: 'completed', output }, settled });
const short = (run: string, output: object = done({ once: 1, again: 2 }), settled = 0) =>
  ended({ kind: 'short', run }, output as Json, settled);
const asker = (want: 'approve' | 'deny' | 'expire', output: object) => ended({ kind: 'asker', run: 'a', want }, output as Json);
const text = (...lines: string[]) => lines.map((line) => `${line}\n`).join('');
const SHORT = ['soak.again a:1', 'soak.once a:3', 'soak.again a:4'];
const NOTHING = { lost: [], twice: [], otherwise: [] };

test('finds nothing where every answer has its line, and a repeatable tool was asked again', () => {
  expect(judge([short('a')], text(...SHORT, 'soak.again a:1'))).toEqual(NOTHING);
  const member = (run: string) => done({ once: 1, run });
  const family = ended({ kind: 'family', run: 'f' }, { members: [member('m'), member('n')], replies: [2, 4] });
  expect(judge([family], text('soak.once m:2', 'soak.once n:2'))).toEqual(NOTHING);
  expect(judge([asker('approve', done({ pay: 1 }))], text('soak.pay a:1'))).toEqual(NOTHING);
  expect(judge([asker('deny', done({ failed: ['CORRAL_APPROVAL_DENIED'] }))], '')).toEqual(NOTHING);
  expect(judge([asker('expire', done({ failed: ['CORRAL_TIMED_OUT'] }))], '')).toEqual(NOTHING);
});

test('finds work that has not ended, answers without an effect, and calls without an answer', () => {
  expect(judge([{ job: { kind: 'send', run: 's' }, outcome: undefined, settled: 0 }], '').lost).toHaveLength(1);
  expect(judge([short('a')], text('soak.again a:1', 'soak.again a:4')).lost).toHaveLength(1);
  expect(judge([short('a', done({ once: 1, again: 1 }))], text(...SHORT)).lost).toHaveLength(1);
});

test('finds what was done twice: under one key, under two, or although people refused it', () => {
  expect(judge([short('a')], text(...SHORT, 'soak.once a:3')).twice).toHaveLength(1);
  expect(judge([short('a')], text(...SHORT, 'soak.once a:9')).twice).toHaveLength(1);
  expect(judge([asker('deny', done({ failed: ['CORRAL_APPROVAL_DENIED'] }))], text('soak.pay a:1')).twice).toHaveLength(1);
});

test('finds failures that nobody has settled, and other ends', () => {
  const failed = done({ again: 2, failed: ['CORRAL_TOOL_FAILED'] });
  expect(judge([short('a', failed, 1)], text(...SHORT))).toEqual(NOTHING);
  expect(judge([short('a', failed)], text(...SHORT)).otherwise).toHaveLength(1);
  expect(judge([asker('deny', done({ pay: 1 }))], text('soak.pay a:1')).otherwise).toHaveLength(1);
  expect(judge([{ job: { kind: 'short', run: 'a' }, outcome: { kind: 'cancelled' } as never, settled: 0 }], '').otherwise).toHaveLength(1);
});

test('a slope is what lives have in common, whatever each began with', () => {
  const minutes = (from: number, level: number, an_hour: number) =>
    Array.from({ length: 5 }, (_, i) => ({ at_ms: (from + i) * 60_000, value: level + (an_hour * i) / 60 }));
  expect(slopePerHour([minutes(0, 100, 30), minutes(10, 80, 30)])).toBeCloseTo(30);
  expect(slopePerHour([minutes(0, 100, 0), minutes(10, 200, 0)])).toBeCloseTo(0);
  expect(slopePerHour([minutes(0, 100, 30).slice(0, 2)])).toBeUndefined();
});
