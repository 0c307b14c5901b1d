/** Moves the bytes of a large buffer to and fro, each in one call. It gains CPU time and the machine’s memory bandwidth. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { mib: [32, 256] } };

export default defineAgent({
  name: 'copy-within',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { mib } = input as { mib: number };
    const all = new Uint8Array(mib * 2 ** 20);
    for (;;) all.copyWithin(1, 0).fill(7, 3).reverse();
  },
});
