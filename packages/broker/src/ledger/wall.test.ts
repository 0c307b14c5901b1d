import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WallClock } from './wall.ts';

/** Events of a run between two journal entries, and changes of the host's clock meanwhile. */
const steps = fc.array(
  fc.record({
    own_ms: fc.nat(5_000),
    queued_ms: fc.nat(5_000),
    /** Change of the host's clock. */
    jump_ms: fc.oneof(fc.constant(0), fc.integer({ min: -3_600_000, max: 90_000_000 })),
    stands: fc.boolean(),
  }),
  { maxLength: 30 },
);

describe('the wall clock of a run', () => {
  test('folded from its journal is what was measured as it lived, however the clock of its host was put', () => {
    fc.assert(
      fc.property(steps, (lived) => {
        const live = new WallClock();
        const folded = new WallClock();
        let monotonic = 100;
        let at = 1_000_000;
        live.began_at = folded.began_at = at;
        live.start(monotonic, 0);
        let stood = false;
        let expected = 0;
        for (const { own_ms, queued_ms, jump_ms, stands } of lived) {
          live.give(monotonic, false);
          monotonic += queued_ms;
          live.give(monotonic, true);
          monotonic += own_ms;
          at += own_ms + queued_ms + jump_ms;
          if (!stood) expected += own_ms;
          const owed = live.owed(at, monotonic);
          live.stamp(at, owed, stands, monotonic);
          folded.stamp(at, owed, stands);
          stood = stands;
          expect(live.own(monotonic)).toBeCloseTo(expected, 6);
          // If the clock was set back while the run was stopped, that time is lost for the run; never is more counted than passed.
          expect(folded.used(at)).toBeCloseTo(live.used(at), 6);
          expect(stands || folded.used(at) <= expected + 1).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('owes nothing for the fractions by which the time of an entry is cut off', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { maxLength: 50 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (lived, offset) => {
          const live = new WallClock();
          let monotonic = 100;
          const now = () => Math.floor(1_000_000 + offset + monotonic);
          live.began_at = now();
          live.start(monotonic, 0);
          for (const own_ms of lived) {
            monotonic += own_ms;
            const owed = live.owed(now(), monotonic);
            expect(owed === 0).toBe(true);
            live.stamp(now(), owed, false, monotonic);
          }
        },
      ),
    );
  });

  test('counts a time without a host once, be it in a pause or not', () => {
    const clock = new WallClock();
    clock.absent = (from, until) => Math.max(0, Math.min(until, 9_000) - Math.max(from, 4_000));
    clock.began_at = 1_000;
    clock.stamp(2_000, 0, true);
    // 1 s of run time, then a pause of 9 s, 5 of them without a host.
    clock.stamp(11_000, 0, false);
    expect(clock.used(12_000)).toBe(2_000);
    expect(clock.age(12_000)).toBe(2_000);
    const again = new WallClock();
    again.absent = clock.absent;
    again.load(JSON.parse(JSON.stringify(clock.save())) as ReturnType<WallClock['save']>);
    expect(again.used(12_000)).toBe(2_000);
  });

  test('reads entries that say nothing of queues, and snapshots that do not say since when people are asked', () => {
    const clock = new WallClock();
    clock.load({ began_at: 1_000, paused_ms: 500, paused_at: undefined });
    expect(clock.used(3_000)).toBe(1_500);
    clock.loaded(true, 2_000);
    expect(clock.used(9_000)).toBe(500);
  });

  test('gives back what turns out to have been the host’s', () => {
    const clock = new WallClock();
    clock.began_at = 0;
    clock.start(0, 0);
    clock.forgive(100, 30);
    expect(clock.own(100)).toBe(70);
  });

  test('may be told afterwards since when its run has waited', () => {
    const clock = new WallClock();
    clock.began_at = 0;
    clock.start(0, 0);
    clock.give(300, true);
    clock.give(90_000_000 - 89_999_000, false);
    expect(clock.own(90_000_000)).toBe(1_000);
    clock.stamp(90_000_000, 0, false, 90_000_000);
    clock.give(90_000_000, true);
    // The clock was read before it was known that the run was waiting.
    clock.give(90_000_500, true);
    clock.waited(90_000_200);
    expect(clock.own(90_001_000)).toBe(1_200);
  });
});
