/** Six times the flood of flood.test.ts. */
import { expect, test } from 'vitest';
import { notDrained } from './flooding.ts';

test('a flood of 1,500 runs drains, though a cell holds few of them', async () => {
  expect(await notDrained(1_500)).toEqual([]);
});
