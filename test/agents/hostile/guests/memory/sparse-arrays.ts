/** Keeps arrays with one item at a place far behind. It gains memory, if holes are paid for or not counted. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'], vary: { at: [10_000, 4_000_000] } };

export default defineAgent({
  name: 'sparse-arrays',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run({ input }) {
    const { at } = input as { at: number };
    const all: number[][] = [];
    for (;;) {
      const one: number[] = [];
      one[at] = 1;
      one.fill(2, at - 5_000);
      all.push(one);
    }
  },
});
