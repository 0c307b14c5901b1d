import { describe, expect, test } from 'vitest';
import { Detectors } from './detectors.ts';

/** Words that no other call has. */
const fresh = (i: number) => Array.from({ length: 30 }, (_, n) => `w${i}x${n}`).join(' ');
const HEADS = ['Form to calculate shipping rates, step one of three:', 'Index of the folder with all the reports of last year:'];

/** The readings of a run whose answers begin with these heads and end with new words. */
function readings(heads: readonly string[], detectors = new Detectors()): number[] {
  return heads.map((head, id) => {
    detectors.observe({ kind: 'call', at: 0, id, tool: 'click', input: { target: `button ${fresh(id + 1000)}` } });
    detectors.observe({ kind: 'result', at: 0, id, value: `${head} ${fresh(id)}` });
    return detectors.stuck.now;
  });
}

describe('the momentary reading', () => {
  test('rises where answers begin as others did just before, and their rest is new', () => {
    const other = Array.from({ length: 8 }, (_, i) => fresh(i + 5000));
    const same = readings(other.map(() => HEADS[0] as string));
    expect(same.at(-1)).toBeGreaterThan((readings(other).at(-1) as number) + 1);
  });

  test('falls again where they begin otherwise', () => {
    const stay = Array.from({ length: 6 }, () => HEADS[0] as string);
    const leave = Array.from({ length: 6 }, (_, i) => fresh(i + 5000));
    const all = readings([...stay, ...leave]);
    expect(all.at(-1)).toBeLessThan(all[stay.length - 1] as number);
  });

  test('is lower in a run that is always so than in one that has become so', () => {
    const always = readings(Array.from({ length: 60 }, () => HEADS[1] as string));
    const became = readings([
      ...Array.from({ length: 50 }, (_, i) => fresh(i + 5000)),
      ...Array.from({ length: 10 }, () => HEADS[1] as string),
    ]);
    expect(always.at(-1)).toBeLessThan(became.at(-1) as number);
  });

  test('goes on from where it was saved', () => {
    const first = new Detectors();
    const heads = Array.from({ length: 5 }, () => HEADS[0] as string);
    readings(heads, first);
    const second = Detectors.load(JSON.parse(JSON.stringify(first.save())));
    expect(readings(heads, second)).toEqual(readings(heads, first));
  });
});
