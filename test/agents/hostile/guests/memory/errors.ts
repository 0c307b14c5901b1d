/** Keeps errors with deep stacks, each with its frames. It gains memory that the engine captures for it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'], vary: { depth: [10, 200] } };

export default defineAgent({
  name: 'errors',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run({ input }) {
    const { depth } = input as { depth: number };
    (Error as { stackTraceLimit?: number }).stackTraceLimit = 200;
    const all: Error[] = [];
    const down = (n: number): Error => (n === 0 ? new Error('x'.repeat(1000)) : down(n - 1));
    for (;;) {
      const one = down(depth);
      void one.stack;
      all.push(one);
    }
  },
});
