import { expect, test } from 'vitest';
import { killInStreams } from './kills.ts';

test('fifty hosts and cells killed in the middle of streams and tools', { timeout: 1_500_000 }, async () => {
  const { faults, lost } = await killInStreams(50);
  expect(faults).toEqual([]);
  expect(lost).toBeGreaterThan(0);
});
