import { describe, expect, test } from 'vitest';
import { BOUNDS, faults, gapsIn, generator, quantile, type Figures } from './judge.ts';

const sound: Figures = {
  wrong: [],
  outcome: 'exceeded(cpu)',
  late_ms: 20,
  answer_ms: 150,
  gap_other_ms: 30,
  gap_own_ms: 40,
  block_ms: 10,
  block_cpu_ms: 5,
  host_mib: 150,
  host_grown_mib: 0,
  cell_mib: 90,
  cell_over_mib: 0,
  kill_ms: 10,
  pause_ms: null,
  load: 1,
};

describe('gaps', () => {
  test('are the times between calls, the one that began before the span included', () => {
    expect(gapsIn([0, 10, 300, 310, 900], 100, 305)).toEqual({ longest: 290, all: [290, 10] });
  });

  test('of a neighbour that calls no more last until the end', () => {
    expect(gapsIn([0, 10], 5, 1000)).toEqual({ longest: 990, all: [10, 990] });
    expect(gapsIn([], 100, 400)).toEqual({ longest: 300, all: [300] });
  });
});

describe('faults', () => {
  test('are none where every bound holds', () => {
    expect(faults([sound], false)).toEqual([]);
  });

  test.each([
    ['late_ms', BOUNDS.late_ms],
    ['gap_other_ms', BOUNDS.gap_ms],
    ['gap_own_ms', BOUNDS.gap_ms],
    ['block_ms', BOUNDS.block_ms],
    ['host_grown_mib', BOUNDS.host_grown_mib],
    ['cell_over_mib', BOUNDS.cell_slack_mib],
    ['kill_ms', BOUNDS.stop_ms],
    ['pause_ms', BOUNDS.stop_ms],
  ] as const)('%s holds up to its bound and not beyond it', (measure, most) => {
    expect(faults([{ ...sound, [measure]: most }], false)).toEqual([]);
    expect(faults([{ ...sound, [measure]: most + 1 }], false)).toEqual([`${measure} ${most + 1}, at most ${most}`]);
    expect(faults([{ ...sound, [measure]: most + 1 }], true)).toEqual([]);
  });

  test('of outcomes count in each pass, also where times are not judged; times count in the median', () => {
    const passes = [sound, { ...sound, gap_other_ms: 9_000, wrong: ['ended as completed'] }, sound];
    expect(faults(passes, true)).toEqual(['ended as completed']);
    expect(faults(passes, false)).toEqual(['ended as completed']);
    expect(faults(passes, false, (values) => Math.max(...values))).toEqual(['ended as completed', 'gap_other_ms 9000, at most 250']);
  });
});

test('a quantile is one of the values', () => {
  const values = Array.from({ length: 100 }, (_, i) => i);
  expect([quantile(values, 0.5), quantile(values, 0.99), quantile([7], 0.99)]).toEqual([50, 99, 7]);
});

test('the same seed draws the same numbers, all within their bounds, and another seed draws others', () => {
  const drawn = (seed: number) => {
    const draw = generator(seed);
    return Array.from({ length: 100 }, () => draw(10, 20));
  };
  expect(drawn(1)).toEqual(drawn(1));
  expect(drawn(1)).not.toEqual(drawn(2));
  expect(Math.min(...drawn(1))).toBe(10);
  expect(Math.max(...drawn(1))).toBe(20);
});
