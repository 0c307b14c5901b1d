/** Raises a number to a power of millions of digits, in one call. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(cpu)',
  limit: { cpu_ms: 200 },
  memory_mib: 512,
  vary: { digits: [5_000_000, 30_000_000] },
};

export default defineAgent({
  name: 'bigint-power',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { digits } = input as { digits: number };
    for (let i = 0n; ; i++) if ((3n + i) ** BigInt(digits) === 0n) return i;
  },
});
