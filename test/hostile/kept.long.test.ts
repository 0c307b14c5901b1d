/** Compares the bytes that a host counts for its runs with the growth of its heap. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { realTime, until } from '../until.ts';
import { tool, readingTool, world } from '../world.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in the heap after a collection, which is the sum of all nodes of a heap snapshot, and of the buffers beside it. */
async function heap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    // Timers of ended calls hold their arguments for a moment.
    await realTime(300, 'calls that give back the room they had');
    collect();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const RUNS = 40;

test.each([
  ['pages', 40, 20_000],
  ['records', 40, 20_000],
  ['texts', 40, 20_000],
  ['calls', 40, 20_000],
  ['input', 0, 200_000],
  ['nothing', 0, 0],
])('what is kept for runs with %s is within a fifth of what the heap holds', async (what, count, chars) => {
  let held = 0;
  const release = Promise.withResolvers<undefined>();
  const w = await world(
    [
      readingTool('page', ({ chars: length, i }) => String(i).padEnd(Number(length), 'y')),
      readingTool('records', ({ chars: length, i }) =>
        Array.from({ length: Number(length) / 100 }, (_, n) => ({
          id: n,
          name: `page ${String(i)}, record ${n}`,
          ok: true,
          at: { x: n / 3 },
        })),
      ),
      tool('hold', async () => {
        held += 1;
        await release.promise;
        return null;
      }),
    ],
    { heap_bytes: 8 * 2 ** 30 },
  );
  const version = await w.deployFile(agentFile('hostile/keeps').file);
  const start = async (runs: number) => {
    const each = what === 'calls' ? count + 1 : 1;
    const all = held + runs * each;
    for (let i = 0; i < runs; i++) await w.submit(version, { what, count, chars, text: `${i}`.padEnd(what === 'input' ? chars : 0, 'z') });
    await until(() => held >= all, 'all runs wait');
  };
  await start(4);
  const kept = () => w.supervisor.memory.all.bytes;
  const [heapBefore, keptBefore] = [await heap(), kept()];
  await start(RUNS);
  const [grown, counted] = [(await heap()) - heapBefore, kept() - keptBefore];
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  console.log(`${what}: kept ${mib(counted)} MiB, heap ${mib(grown)} MiB, ratio ${(counted / grown).toFixed(2)}`);
  release.resolve(undefined);
  expect(counted).toBeGreaterThan(grown * 0.8);
  expect(counted).toBeLessThan(grown * 1.25);
});
