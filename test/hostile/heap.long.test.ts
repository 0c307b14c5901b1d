/** Ten times what the tests of heap.test.ts try once, on one host with a heap of 512 MiB. */
import { expect, test } from 'vitest';
import { run, start } from './fixtures/small-heap.ts';

const HEAP_MIB = 512;
const TIMES = 10;

// Attack C1: one round would have filled the heap when it was found, at 57 MB a child.
test('children that emit more than the heap of their host, ten times over, do not end it', async () => {
  const host = await start(HEAP_MIB);
  for (let round = 0; round < TIMES; round++) {
    const { outcome } = await run(host, 'emitting-children', { children: 10, events: 224 });
    expect(outcome).toEqual({ kind: 'completed', output: 10 });
  }
});

// Attack C2: 640 MB a round.
test('children that hold more than the heap of their host, ten times over, are refused it', async () => {
  const host = await start(HEAP_MIB);
  for (let round = 0; round < TIMES; round++) {
    const input = { children: 40, pages: 64, chars: 250_000, at_once: round % 2 === 1 };
    const { outcome } = await run(host, 'holding-children', input, { budget: { bytes: 2 ** 31, cpu_ms: 240_000 } });
    const kids = (outcome as { output?: unknown }).output as ({ held: number } | string)[];
    expect(kids).toHaveLength(40);
    expect(kids.filter((one) => typeof one === 'string')).toEqual([]);
    expect(kids.reduce((sum, one) => sum + (typeof one === 'string' ? 0 : one.held), 0)).toBeGreaterThan(40);
  }
});
