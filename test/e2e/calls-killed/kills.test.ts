/** An AI SDK agent whose host, cell and MCP servers are killed in the middle of its calls; `npm run test:long` kills fifty. */
import { expect, test } from 'vitest';
import { killInCalls } from './kills.ts';

test('no finished call is made again, what nobody can know is unknown, and nothing is left running', async () => {
  const { faults, kills } = await killInCalls(4, Date.now());
  expect(faults).toEqual([]);
  expect(Math.min(...Object.values(kills))).toBeGreaterThan(0);
});
