import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { chain, forgotten, isForgotten, newKey, seal, SEAL_BYTES, unseal } from '../core/seal.ts';

const key = newKey();
const bytes = fc.uint8Array({ maxLength: 600 });

test('what was sealed opens with the same key in the same place, and is longer by a fixed number of bytes', () => {
  fc.assert(
    fc.property(bytes, fc.string(), (plain, place) => {
      const sealed = seal(key, place, plain);
      expect(sealed.length).toBe(plain.length + SEAL_BYTES);
      expect(unseal(key, place, sealed).equals(plain)).toBe(true);
    }),
  );
});

test('it opens with no other key, in no other place, and not once any bit of it was changed or its end cut off', () => {
  fc.assert(
    fc.property(bytes, fc.nat(), fc.integer({ min: 0, max: 7 }), (plain, where, bit) => {
      const sealed = seal(key, 'run_1:entry:2', plain);
      expect(() => unseal(newKey(), 'run_1:entry:2', sealed)).toThrow(Error);
      expect(() => unseal(key, 'run_1:entry:3', sealed)).toThrow(Error);
      expect(() => unseal(key, 'run_1:entry:2', sealed.subarray(0, where % sealed.length))).toThrow(Error);
      const at = where % sealed.length;
      sealed[at] = (sealed[at] as number) ^ (1 << bit);
      expect(() => unseal(key, 'run_1:entry:2', sealed)).toThrow(Error);
    }),
  );
});

test('the same text never looks the same twice', () => {
  const seen = new Set(Array.from({ length: 2_000 }, () => seal(key, 'p', Buffer.from('x')).toString('hex')));
  expect(seen.size).toBe(2_000);
});

test('a chain goes through bodies that were taken away as if they were there', () => {
  fc.assert(
    fc.property(bytes, fc.nat(), (plain, seq) => {
      const body = seal(key, 'p', plain);
      const row = { seq, at: 1, cpu_us: 2, waiting: 'call' };
      const before = randomBytes(32);
      const gone = forgotten(body);
      expect(isForgotten(body)).toBe(false);
      expect(isForgotten(gone)).toBe(true);
      expect(forgotten(gone).equals(gone)).toBe(true);
      expect(chain(before, 'run_1', { ...row, body: gone }).equals(chain(before, 'run_1', { ...row, body }))).toBe(true);
    }),
  );
});

test('a chain depends on every part of an entry and on the one before', () => {
  const row = { seq: 1, at: 2, cpu_us: 3, waiting: 'call', body: seal(key, 'p', Buffer.from('x')) };
  const before = Buffer.alloc(32);
  const hashes = [
    chain(before, 'run_1', row),
    chain(Buffer.alloc(32, 1), 'run_1', row),
    chain(before, 'run_2', row),
    chain(before, 'run_1', { ...row, seq: 2 }),
    chain(before, 'run_1', { ...row, at: 3 }),
    chain(before, 'run_1', { ...row, cpu_us: 4 }),
    chain(before, 'run_1', { ...row, waiting: 'timer' }),
    chain(before, 'run_1', { ...row, body: seal(key, 'p', Buffer.from('x')) }),
  ];
  expect(new Set(hashes.map((one) => one.toString('hex'))).size).toBe(hashes.length);
});
