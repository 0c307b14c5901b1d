import { expect, test } from 'vitest';
import { killInCalls } from './kills.ts';

test('fifty hosts, cells and MCP servers killed in the middle of calls', { timeout: 1_500_000 }, async () => {
  const { faults, kills, unknown } = await killInCalls(50, Number(process.env['SEED'] ?? Date.now()));
  expect(faults).toEqual([]);
  expect(Object.values(kills).reduce((sum, n) => sum + n, 0)).toBe(50);
  expect(unknown).toBeGreaterThan(0);
});
