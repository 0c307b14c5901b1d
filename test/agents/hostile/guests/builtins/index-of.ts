/** Searches a long text for one that almost occurs everywhere, in one call. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(cpu)',
  limit: { cpu_ms: 200 },
  memory_mib: 512,
  vary: { size: [1_000_000, 20_000_000] },
};

export default defineAgent({
  name: 'index-of',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const text = 'ab'.repeat(size);
    const wanted = `${'ab'.repeat(Math.floor(size / 2))}b`;
    let sum = 0;
    for (;;) sum += text.indexOf(wanted);
  },
});
