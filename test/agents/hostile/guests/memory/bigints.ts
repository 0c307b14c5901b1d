/** Keeps numbers of a megabit each. It gains memory by arithmetic. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)', vary: { bits: [100_000, 8_000_000] } };

export default defineAgent({
  name: 'bigints',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run({ input }) {
    const { bits } = input as { bits: number };
    const all: bigint[] = [];
    for (let i = 0n; ; i++) all.push((1n << BigInt(bits)) + i);
  },
});
