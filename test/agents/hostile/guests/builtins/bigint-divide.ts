/** Divides one huge number by another, again and again. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(cpu)',
  limit: { cpu_ms: 200 },
  memory_mib: 512,
  vary: { bits: [2_000_000, 20_000_000] },
};

export default defineAgent({
  name: 'bigint-divide',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { bits } = input as { bits: number };
    const a = (1n << BigInt(bits * 2)) - 1n;
    const b = (1n << BigInt(bits)) - 3n;
    for (let sum = 0n; ;) sum ^= a % b;
  },
});
