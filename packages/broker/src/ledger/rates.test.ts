import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rates } from './rates.ts';

test('no rate is too high to be counted, and a second at most is counted too long', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 4_000 }), fc.constantFrom('a', 'b')), { maxLength: 600 }),
      fc.integer({ min: 0, max: 70_000 }),
      (steps, later) => {
        const rates = new Rates();
        const calls: { at: number; tool: string }[] = [];
        let at = 1_700_000_000_000;
        for (const [wait, tool] of steps) {
          at += wait;
          rates.called(tool, at);
          calls.push({ at, tool });
        }
        const now = at + later;
        const within = (ms: number) => calls.filter((call) => call.tool === 'a' && now - call.at < ms).length;
        const restored = new Rates();
        restored.load(JSON.parse(JSON.stringify(rates.save())) as ReturnType<Rates['save']>);
        for (const one of [rates, restored]) {
          expect(one.lastMinute('a', now)).toBeGreaterThanOrEqual(within(60_000));
          expect(one.lastMinute('a', now)).toBeLessThanOrEqual(within(62_000));
        }
      },
    ),
  );
});

test('a thousand calls in one second are a thousand', () => {
  const rates = new Rates();
  for (let i = 0; i < 1_000; i++) rates.called('a', 5_000 + i / 2);
  expect(rates.lastMinute('a', 6_000)).toBe(1_000);
  expect(rates.lastMinute('a', 66_000)).toBe(0);
});
