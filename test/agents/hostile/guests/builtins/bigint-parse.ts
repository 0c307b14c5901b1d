/** Reads a number of millions of digits, in one call. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(cpu)',
  limit: { cpu_ms: 200 },
  memory_mib: 512,
  vary: { digits: [1_000_000, 10_000_000] },
};

export default defineAgent({
  name: 'bigint-parse',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { digits } = input as { digits: number };
    const text = '7'.repeat(digits);
    for (let sum = 0n; ;) sum ^= BigInt(text);
  },
});
