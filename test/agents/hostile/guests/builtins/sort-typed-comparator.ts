/** Sorts a typed array with a comparator that contradicts itself. It gains CPU time, and whatever a confused algorithm reads. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [100_000, 1_000_000] } };

export default defineAgent({
  name: 'sort-typed-comparator',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    let flip = 1;
    const all = new Int32Array(size);
    for (;;) all.sort(() => (flip = -flip));
  },
});
