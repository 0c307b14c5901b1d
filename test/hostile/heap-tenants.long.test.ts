/** Several tenants that make one host keep as much as they can, all at once: it survives them. A real host with a small heap. */
import { expect, test } from 'vitest';
import { asTenant, run, start } from './fixtures/small-heap.ts';

const CHILDREN = 12;
const PAGES = 60;

// Attack C2 by several tenants. On a host of 160 MiB it once ended it: runs that had ended stayed in the queues of cells with all they held.
test('tenants whose runs together ask for many times the heap of their host are refused it, and the host goes on', async () => {
  const host = await start(160);
  const ends = await Promise.all(
    ['a', 'b', 'c', 'd'].map(async (name, at) => {
      const tenant = await asTenant(host, name);
      const input = { children: CHILDREN, pages: PAGES, chars: 250_000, at_once: at % 2 === 0 };
      const { outcome } = await run(tenant, 'holding-children', input, { budget: { bytes: 2 ** 30, cpu_ms: 120_000 } });
      return (outcome as { output?: unknown }).output as { held: number; refused: Record<string, number> }[];
    }),
  );
  for (const kids of ends) {
    expect(kids).toHaveLength(CHILDREN);
    for (const { held, refused } of kids) expect(held + Object.values(refused).reduce((sum, count) => sum + count, 0)).toBe(PAGES);
    expect(kids.some(({ refused }) => (refused['CORRAL_HOST_MEMORY'] ?? 0) > 0)).toBe(true);
  }
});
