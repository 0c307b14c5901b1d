/** Keeps hundreds of thousands of expressions, each compiled. It gains memory for code, which lies beside the heap. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'], vary: { size: [100, 400] } };

export default defineAgent({
  name: 'many',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 20_000 },
  run({ input }) {
    const { size } = input as { size: number };
    const all: RegExp[] = [];
    for (let i = 0; ; i++) {
      const one = new RegExp(`${'(?:a|b)'.repeat(size)}${i}`);
      one.test('ab'.repeat(size));
      one.test('ba'.repeat(size));
      all.push(one);
    }
  },
});
