/** The bytes of a purse: what a run reads of results is limited by them, however many calls it makes at once. */
import { expect, test } from 'vitest';
import { readingTool, world } from '../world.ts';
import { agentFile } from '../agents/file.ts';

const SIZE = 20_000;
const BUDGET = 100_000;

// Bug bytes-at-once: a result was delivered whatever it took of the purse, once for each call that was under way when nothing was left.
test.each([
  ['results', 'results'],
  ['results that are held as handles', 'handles'],
  ['replies of a child', 'replies'],
])('%s of calls made together take no more than the purse has, and one that was not known to be too large', async (_, read) => {
  const w = await world([readingTool('big', () => 'x'.repeat(SIZE))]);
  const outcome = await w.run(
    agentFile('hostile/reads-past-its-purse'),
    { read, size: SIZE },
    { budget: { bytes: BUDGET + 100_000_000, children: 1 } },
  );
  expect(outcome).toMatchObject({ kind: 'completed', output: { more: 'bytes' } });
  const { sum } = (outcome as unknown as { output: { sum: number } }).output;
  expect(sum).toBeGreaterThan(BUDGET / 2);
  expect(sum).toBeLessThanOrEqual(BUDGET + SIZE + 2);
});
