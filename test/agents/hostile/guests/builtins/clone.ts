/** Copies a deep and wide value by `structuredClone`, again and again. It gains CPU time of code that is not its own. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [10_000, 100_000] } };

export default defineAgent({
  name: 'clone',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const all = Array.from({ length: size }, (_, i) => ({ i, inner: new Map([[i, new Set([i])]]) }));
    for (;;) structuredClone(all);
  },
});
