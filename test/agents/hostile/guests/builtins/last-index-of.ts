/** Searches a long text backwards, where the engine compares letter by letter. It gains CPU time for hours, in one call. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [200_000, 2_000_000] } };

export default defineAgent({
  name: 'last-index-of',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const text = 'a'.repeat(size);
    const wanted = `b${'a'.repeat(Math.floor(size / 2))}`;
    let sum = 0;
    for (;;) sum += text.lastIndexOf(wanted);
  },
});
