/** Copies a buffer by slice, transfer and concatenation, and keeps every copy. It gains memory by functions that are not constructors. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)', vary: { kib: [16, 2_048] } };

export default defineAgent({
  name: 'buffer-copies',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run({ input }) {
    const { kib } = input as { kib: number };
    const all: ArrayBuffer[] = [];
    for (;;) {
      const one = new Uint8Array(kib * 1024).fill(3).buffer;
      all.push(one.slice(0), one.transfer(kib * 2048));
    }
  },
});
