import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LADDER } from './ladder.ts';
import { firesFor, tune, type Mark } from './tuning.ts';

let runs = 0;
const mark = (verdict: Mark['verdict'], confidence: number, more: Partial<Mark> = {}): Mark => ({
  run: `run_${(runs += 1)}`,
  agent: 'lister',
  detector: 'repeat',
  confidence,
  subjects: ['shop.list'],
  figures: { times: 4 },
  verdict,
  ...more,
});

describe('marks of false alarms', () => {
  test('propose a threshold at which none of them would have been raised, and at which the confirmed ones still are', () => {
    const wrong = [0.5, 0.52, 0.61].map((confidence) => mark('false_alarm', confidence));
    const right = mark('confirmed', 0.78);
    const { changes, layers, still } = tune(LADDER, {}, [...wrong, right]);
    expect(changes).toMatchObject([{ agent: 'lister', detector: 'repeat', step: 'notice', from: 0.5, to: 0.62, kept: [right], lost: [] }]);
    expect(layers).toEqual({ agents: { lister: { detectors: { repeat: { notice: 0.62 } } } } });
    expect(still).toEqual([]);
    for (const one of wrong) expect(firesFor(LADDER, layers, one)).toEqual([]);
    expect(firesFor(LADDER, layers, right)).toEqual(['notice', 'slow']);
  });

  test('say which confirmed ones would be lost, where a false alarm was as sure as they were', () => {
    const lost = mark('confirmed', 0.55);
    const { changes } = tune(LADDER, {}, [mark('false_alarm', 0.7), lost, mark('confirmed', 0.705)]);
    expect(changes.map(({ step, to }) => [step, to])).toEqual([
      ['notice', 0.705],
      ['slow', 0.705],
    ]);
    expect(changes[0]).toMatchObject({ lost: [lost], kept: [{ confidence: 0.705 }] });
  });

  test('of three agents change the threshold for all of the tenant; one that nothing can be above takes the step away', () => {
    const wrong = ['a', 'b', 'c'].map((agent) => mark('false_alarm', 1, { agent, detector: 'deadlock', subjects: [] }));
    expect(tune(LADDER, {}, wrong).layers).toEqual({ ladder: { detectors: { deadlock: { pause: null } } } });
    const two = tune(LADDER, {}, wrong.slice(0, 2)).layers;
    expect(Object.keys(two.agents ?? {})).toEqual(['a', 'b']);
  });

  test('that no longer would be raised propose nothing, and neither do confirmed ones', () => {
    expect(tune(LADDER, {}, [mark('false_alarm', 0.3), mark('confirmed', 0.9)]).changes).toEqual([]);
  });

  test('are said to be raised still where a tool’s own layer goes before', () => {
    const of = { tools: { 'shop.list': { detectors: { repeat: { notice: 0.4 } } } } };
    const one = mark('false_alarm', 0.55);
    expect(tune(LADDER, of, [one]).still).toEqual([one]);
  });

  test('never lower a threshold, silence all of them, and lose no confirmed one that was surer than each of them', () => {
    const marks = fc.array(
      fc.record({
        verdict: fc.constantFrom('false_alarm' as const, 'confirmed' as const),
        confidence: fc.double({ min: 0, max: 1, noNaN: true }),
        agent: fc.constantFrom('a', 'b', 'c', 'd'),
        detector: fc.constantFrom('repeat' as const, 'stuck' as const, 'drift' as const),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(marks, (list) => {
        const all = list.map(({ verdict, confidence, ...more }) => mark(verdict, confidence, more));
        const { changes, layers, still } = tune(LADDER, {}, all);
        expect(still).toEqual([]);
        for (const change of changes) {
          expect(change.to ?? Number.POSITIVE_INFINITY).toBeGreaterThan(change.from);
          const surest = Math.max(...change.false_alarms.map(({ confidence }) => confidence));
          for (const { confidence } of change.lost) expect(confidence).toBeLessThanOrEqual(surest);
        }
        const fires = (one: Mark, of = layers) => firesFor(LADDER, of, one);
        const isWrong = (one: Mark) => one.verdict === 'false_alarm';
        expect(all.filter((one) => isWrong(one) && fires(one).length > 0)).toEqual([]);
        // Marks of detectors without false alarms change nothing.
        const sound = all.filter((one) => !all.some((other) => isWrong(other) && other.detector === one.detector));
        expect(sound.map((one) => fires(one))).toEqual(sound.map((one) => fires(one, {})));
      }),
    );
  });
});
