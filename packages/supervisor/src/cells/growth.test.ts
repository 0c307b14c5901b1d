import { describe, expect, test } from 'vitest';
import { Rise } from './growth.ts';

/** Looks every 5 ms at a process that grows by so much in a second. */
function looked(mib_per_s: number, { seconds = 3, isolates_per_s = 0, every_ms = 5 } = {}): boolean {
  const rise = new Rise();
  let rises = false;
  for (let at = 0; at <= seconds * 1000; at += every_ms)
    rises = rise.look(60 + (mib_per_s * at) / 1000, Math.floor((isolates_per_s * at) / 1000), at) || rises;
  return rises;
}

describe('a process that grows', () => {
  test('by hundreds of MiB in a second is noticed, however seldom it is looked at', () => {
    expect(looked(400)).toBe(true);
    expect(looked(400, { every_ms: 1500 })).toBe(true);
  });

  // Bug slow-is-unseen: 47 MiB in each second went unnoticed up to half of the memory that a cell may have.
  test('by some MiB in each second is noticed after a while', () => {
    expect(looked(40)).toBe(true);
    expect(looked(6, { seconds: 10 })).toBe(true);
  });

  test('more slowly than that, or by its new isolates, is not', () => {
    expect(looked(4, { seconds: 60 })).toBe(false);
    expect(looked(180, { isolates_per_s: 100 })).toBe(false);
  });

  test('and then stays as it is is measured closely for a while, and no longer', () => {
    const rise = new Rise();
    rise.look(60, 0, 0);
    expect(rise.look(200, 0, 100)).toBe(true);
    expect(rise.look(200, 0, 5_000)).toBe(true);
    expect(rise.look(200, 0, 10_000)).toBe(true);
    expect(rise.look(200, 0, 21_000)).toBe(false);
  });
});
