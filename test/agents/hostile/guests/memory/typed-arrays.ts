/** Keeps typed arrays just below the size at which they move out of the heap. It gains memory in many small pieces. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)', vary: { size: [48, 4_096] } };

export default defineAgent({
  name: 'typed-arrays',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run({ input }) {
    const { size } = input as { size: number };
    const all: Uint8Array[] = [];
    for (;;) all.push(new Uint8Array(size).fill(7));
  },
});
