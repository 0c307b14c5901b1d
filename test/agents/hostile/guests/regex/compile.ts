/** Compiles expressions of hundreds of thousands of alternatives. It gains CPU time and memory of the compiler, which no heap limit counts. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['exceeded(cpu)', 'exceeded(memory)'],
  limit: { cpu_ms: 200 },
  vary: { size: [10_000, 200_000] },
};

export default defineAgent({
  name: 'compile',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { size } = input as { size: number };
    let sum = 0;
    for (let i = 0; ; i++) {
      const source = Array.from({ length: size }, (_, k) => `${k}x${i}[^y]`).join('|');
      try {
        sum += new RegExp(source).test(`${size}`) ? 1 : 0;
      } catch {
        continue;
      }
    }
  },
});
