/** Sorts many numbers with a comparator of its own that is slow. It gains CPU time, if a built-in that calls back is not interrupted. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [200_000, 2_000_000] } };

export default defineAgent({
  name: 'sort-comparator',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const all = Array.from({ length: size }, (_, i) => (i * 7919) % size);
    for (;;)
      all.sort((a, b) => {
        let x = a;
        for (let i = 0; i < 50; i++) x = (x * 31) % 65_537;
        return x - b;
      });
  },
});
