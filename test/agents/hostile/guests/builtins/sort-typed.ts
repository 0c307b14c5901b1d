/** Sorts a typed array of millions of numbers, in one call that does not look at the clock. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(cpu)',
  limit: { cpu_ms: 200 },
  memory_mib: 512,
  vary: { size: [2_000_000, 8_000_000] },
};

export default defineAgent({
  name: 'sort-typed',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const all = new Float64Array(size);
    for (;;) {
      for (let i = 0; i < size; i++) all[i] = (i * 2_654_435_761) % size;
      all.sort();
    }
  },
});
