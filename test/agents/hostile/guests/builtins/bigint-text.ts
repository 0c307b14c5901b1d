/** Writes a number of millions of digits in the decimal system, in one call. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(cpu)',
  limit: { cpu_ms: 200 },
  memory_mib: 512,
  vary: { bits: [8_000_000, 60_000_000] },
};

export default defineAgent({
  name: 'bigint-text',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { bits } = input as { bits: number };
    let sum = 0;
    for (;;) sum += ((1n << BigInt(bits)) - 1n).toString().length;
  },
});
