/** Keeps a little in each crank, and rests in between. It gains memory that no single crank shows. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)', vary: { kib: [500, 4_000] } };

export default defineAgent({
  name: 'slow-leak',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  async run({ input, sleep }) {
    const { kib } = input as { kib: number };
    const all: Uint8Array[] = [];
    for (;;) {
      all.push(new Uint8Array(kib * 1024).fill(1));
      await sleep(1);
    }
  },
});
