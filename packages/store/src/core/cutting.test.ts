import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CUT_BYTES, endsOf, gearOf, grouped } from './cutting.ts';

const gear = gearOf(randomBytes(32));
const MOST = 32 * 1024;
const long = fc.oneof(
  fc.string({ unit: 'binary', minLength: 5_000, maxLength: 30_000 }),
  fc.tuple(fc.constantFrom('€', 'x', '😀', '\n'), fc.nat(400_000)).map(([one, count]) => one.repeat(count)),
);

test('parts cover a text in order, are bounded, and each is text by itself', () => {
  fc.assert(
    fc.property(long, (text) => {
      const bytes = Buffer.from(text);
      const ends = endsOf(bytes, gear);
      let joined = '';
      let from = 0;
      for (const end of ends) {
        expect(end - from).toBeLessThanOrEqual(MOST + 3);
        joined += bytes.toString('utf8', from, end);
        from = end;
      }
      expect(from).toBe(bytes.length);
      expect(joined === text).toBe(true);
      expect(ends.length === 1).toBe(bytes.length <= CUT_BYTES);
    }),
    { numRuns: 60 },
  );
});

test('a change moves the ends near it, and no others', () => {
  const before = Buffer.from(Array.from({ length: 30_000 }, (_, i) => (i * 2_654_435_761).toString(36)).join(' '));
  const inserted = Buffer.from('something new');
  const at = 100_000;
  const after = Buffer.concat([before.subarray(0, at), inserted, before.subarray(at)]);
  const ends = new Set(endsOf(before, gear));
  const moved = endsOf(after, gear).filter((end) => !ends.has(end > at ? end - inserted.length : end));
  expect(ends.size).toBeGreaterThan(100);
  expect(moved.length).toBeLessThan(10);
});

test('items that are listed together depend on the items; a list is shorter than what it lists', () => {
  const items = Array.from({ length: 1_000 }, () => ({ id: randomBytes(32).toString('base64url') }));
  const groups = grouped(items);
  expect(groups.flat()).toEqual(items);
  expect(groups.length).toBeLessThan(items.length / 4 + 1);
  const known = new Set(groups.map((group) => group.map(({ id }) => id).join()));
  const shifted = grouped(items.slice(1)).filter((group) => !known.has(group.map(({ id }) => id).join()));
  expect(shifted.length).toBeLessThan(10);
});
