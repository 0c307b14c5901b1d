import { expect, test } from 'vitest';
import { fitsRow, VALUE_CHARS } from './together.ts';

const LOWERS = { kind: 'endorse', owner: 'token:ana', of: 'run', influenced_by: ['mail.read'], private_to: [] } as const;

test('a call is decided about among others only if its arguments can be read there, whole, and it lowers no label', () => {
  const input = { to: 'Ann', memo: 'x'.repeat(VALUE_CHARS - 2) };
  expect(fitsRow({ input })).toBe(true);
  expect(fitsRow({ input: { ...input, memo: `${input.memo}x` } })).toBe(false);
  expect(fitsRow({ input: { to: { names: Array.from({ length: VALUE_CHARS }, () => 'a') } } })).toBe(false);
  // Withheld arguments are null.
  expect([fitsRow({ input: null }), fitsRow({ input: 'all of it' }), fitsRow({ input: ['Ann', 50] })]).toEqual([false, false, false]);
  expect(fitsRow({ input, lowers: LOWERS as never })).toBe(false);
});
