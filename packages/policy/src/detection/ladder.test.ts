import { describe, expect, test } from 'vitest';
import type { DetectorName, Finding } from './list.ts';
import { climb, GROUND, LADDER, layered, reasonOf, type Rung } from './ladder.ts';

const finding = (detector: DetectorName, confidence: number): Finding => ({
  detector,
  confidence,
  evidence: { text: '', events: [], subjects: [], figures: {} },
});

/** The steps taken for findings at these positions. */
function walk(list: readonly (readonly [number, Finding])[], settings = LADDER): string[] {
  let rung: Rung = GROUND;
  return list.map(([position, one]) => {
    const made = climb(rung, [one], position, settings);
    ({ rung } = made);
    return made.take ?? '-';
  });
}

describe('the ladder', () => {
  test('goes up one step at a time, and leaves the agent time to change course', () => {
    const sure = finding('stuck', 0.6);
    expect(
      walk([
        [1, sure],
        [2, sure],
        [10, sure],
        [20, sure],
        [30, sure],
      ]),
    ).toEqual(['notice', '-', 'slow', 'pause', '-']);
  });

  test('goes no higher than the confidence warrants', () => {
    expect(
      walk([
        [1, finding('repeat', 0.5)],
        [50, finding('repeat', 0.55)],
      ]),
    ).toEqual(['notice', '-']);
  });

  test('does not wait where it is certain', () => {
    expect(walk([[1, finding('deadlock', 1)]])).toEqual(['pause']);
    expect(walk([[1, finding('spawn_tree', 0.95)]])).toEqual(['kill']);
  });

  // In the zoo one of two that talked for ever had just been notified of its budget, and waited for the other one, which was ended.
  test('does not wait where a finding is about several runs, which is said once', () => {
    const settings = { ...LADDER, detectors: { ...LADDER.detectors, ping_pong: { kill: 0.8 } } };
    const list = [
      [10, finding('runaway', 0.5)],
      [12, finding('ping_pong', 0.86)],
    ] as const;
    expect(walk(list, settings)).toEqual(['notice', 'kill']);
  });

  test('skips a step that a detector does not have', () => {
    expect(
      walk([
        [1, finding('drift', 0.55)],
        [20, finding('drift', 0.6)],
      ]),
    ).toEqual(['notice', 'pause']);
  });

  test('says why in a few sentences, however much there is to say', () => {
    const text = reasonOf(
      Array.from({ length: 200 }, () => ({
        ...finding('repeat', 0.876),
        evidence: { text: 'The same call.', events: [], subjects: [], figures: {} },
      })),
    );
    expect(text.startsWith('repeat (88 % sure): The same call.\n')).toBe(true);
    expect(text).toHaveLength(2000);
  });

  test('comes down again when all is calm', () => {
    const up = climb(GROUND, [finding('repeat', 0.6)], 10).rung;
    expect(climb(up, [], 10 + LADDER.calm_events - 1).rung.step).toBe('notice');
    expect(climb(up, [], 10 + LADDER.calm_events).rung.step).toBe('observe');
  });

  test('later layers win, step by step, and can take a step away', () => {
    const settings = layered(
      LADDER,
      { detectors: { stuck: { kill: null, notice: 0.9 } } },
      { detectors: { stuck: { notice: 0.2 } }, grace_events: 1 },
    );
    expect(settings.detectors.stuck).toEqual({ notice: 0.2, slow: 0.45, pause: 0.55 });
    expect(settings.grace_events).toBe(1);
    expect(LADDER.detectors.stuck?.kill).toBe(0.75);
  });
});
