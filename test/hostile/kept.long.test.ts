/** Compares the bytes that a host counts for its runs with the growth of its heap. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { agentFile } from '../agents/file.ts';
import { realTime, until } from '../until.ts';
import { tool, readingTool, world } from '../world.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes by which the heap of a host that does nothing changes between two collections. */
const NOISE = 16 * 1024;

/** Bytes in the heap once collections free no more, which is the sum of all nodes of a heap snapshot, and of the buffers beside it. */
async function heap(): Promise<number> {
  for (let least = Number.POSITIVE_INFINITY, same = 0; ;) {
    // Timers of ended calls hold their arguments for a moment, and the hosts of tests before are closed in the background.
    await realTime(300, 'calls that give back the room they had');
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const bytes = heapUsed + arrayBuffers;
    same = bytes < least - NOISE ? 0 : same + 1;
    least = Math.min(least, bytes);
    if (same === 3) return least;
  }
}

// The heap of this process changes by up to half a MiB without any run. A kind that takes little for each run therefore has more runs, so
// that they take several MiB together.
test.each([
  ['pages', 40, 40, 20_000],
  ['records', 40, 40, 20_000],
  ['texts', 150, 10, 20_000],
  ['calls', 40, 40, 20_000],
  ['input', 40, 0, 200_000],
  ['timers', 40, 200, 0],
  ['nothing', 200, 0, 0],
])('what is kept for runs with %s is within a fifth of what the heap holds', async (what, runs, count, chars) => {
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
  const start = async (more: number) => {
    const each = what === 'calls' ? count + 1 : 1;
    const all = held + more * each;
    for (let i = 0; i < more; i++) await w.submit(version, { what, count, chars, text: `${i}`.padEnd(what === 'input' ? chars : 0, 'z') });
    await until(() => held >= all, 'all runs wait');
  };
  // Code is compiled and tables grow with the first runs.
  await start(12);
  const kept = () => w.supervisor.memory.all.bytes;
  const [heapBefore, keptBefore] = [await heap(), kept()];
  await start(runs);
  const [grown, counted] = [(await heap()) - heapBefore, kept() - keptBefore];
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  console.log(`${what}: kept ${mib(counted)} MiB, heap ${mib(grown)} MiB, ratio ${(counted / grown).toFixed(2)}`);
  release.resolve(undefined);
  expect(counted).toBeGreaterThan(grown * 0.8);
  expect(counted).toBeLessThan(grown * 1.25);
});
