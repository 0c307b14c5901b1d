import { expect, test } from 'vitest';
import type { Row } from './data.ts';
import { bounds, fixed } from './held.ts';
import { RULES } from './rules.ts';
import { auroc, curve, recallAt } from './stats.ts';

test('the area under the curve counts ties half', () => {
  expect(auroc([2, 3], [0, 1])).toBe(1);
  expect(auroc([1, 1], [1, 1])).toBe(0.5);
  expect(auroc([0, 3], [1, 2])).toBe(0.5);
});

test('recall at a rate allows no more false alarms than the rate', () => {
  const negatives = Array.from({ length: 200 }, (_, i) => i / 100);
  expect(recallAt([1.985, 5], negatives, 0.005)).toMatchObject({ recall: 1, fpr: 0.005 });
  expect(recallAt([1.985, 5], negatives, 0.001)).toMatchObject({ recall: 0.5, fpr: 0 });
  expect(curve([1], [0]).at(-1)).toEqual([1, 1]);
});

test('a score of nothing is never an alarm', () => {
  expect(recallAt([0, 0], [0, 0], 0.5)).toMatchObject({ recall: 0, fpr: 0 });
});

test('the rules that are compared with fire where their authors say', () => {
  const call = (args: string, result: string, error?: string) => ({
    agent: 'a',
    tool: 't',
    args: { args },
    result,
    ...(error === undefined ? {} : { error }),
  });
  const fired = (rule: string, calls: ReturnType<typeof call>[]) => RULES[rule]?.fired(calls).indexOf(true);
  const same = Array.from({ length: 5 }, () => call('x', 'y'));
  expect([fired('three_times', same), fired('usual_stuck_detector', same)]).toEqual([2, 3]);
  const errors = Array.from({ length: 3 }, (_, i) => call('x', '', `error ${i}`));
  expect([fired('three_times', errors), fired('usual_stuck_detector', errors)]).toEqual([-1, 2]);
  const alternating = Array.from({ length: 6 }, (_, i) => call(`x${i % 2}`, 'y'));
  expect([fired('three_times', alternating), fired('usual_stuck_detector', alternating)]).toEqual([4, 5]);
});

test('fixed thresholds come from the product or from all the others, never from the group itself', () => {
  const row = (model: string, n: number) => ({ model, n_steps: n }) as unknown as Row;
  const most = (one: Row) => one.n_steps as number;
  const capped = [row('a', 20), row('b', 16)];
  const solved = [row('a', 1), row('b', 15), row('b', 2)];
  const [a, b] = fixed(capped, solved, most, (one) => one.model);
  expect(a).toMatchObject({ out: 'a', recall: 1, fpr: 0, others: { threshold: 15, recall: 1, fpr: 0 } });
  expect(b).toMatchObject({ out: 'b', recall: 1, fpr: 0.5, others: { threshold: 1, recall: 1, fpr: 1 } });
});

test('bounds count the rounds that were judged twice, both ways, and are the same each time', () => {
  const round = (value: number, in_loop: boolean, after_call: number) => ({ value, in_loop, after_call });
  const traces = [
    [round(0, false, 0), round(2, true, 1), round(2, false, 1)],
    [round(0, false, 0), round(3, true, 1)],
  ];
  expect(bounds(traces)).toMatchObject({
    judged_twice: 1,
    judged_both_ways: 1,
    auroc_judged_once: 1,
    auroc_of_last_label: expect.any(Number),
  });
  expect(bounds(traces)).toEqual(bounds(traces));
});
