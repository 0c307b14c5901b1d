/** Numbers of calls as people write them. */
import { expect, test } from 'vitest';
import { ranges } from './ranges.ts';

test('numbers that follow each other are one range, and others stand alone', () => {
  expect([[], [7], [1, 2], [1, 3, 4, 5, 9]].map((numbers) => ranges(numbers))).toEqual(['', '7', '1–2', '1, 3–5, 9']);
});
