/** Generates functions for ever and calls each often enough to be compiled. It gains memory for code, which lies beside the heap. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'] };

export default defineAgent({
  name: 'generated-functions',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run() {
    const all: unknown[] = [];
    for (let i = 0; ; i++) {
      const one = new Function('x', `let y = ${i}; for (let k = 0; k < 200; k++) y = (y * x + k) | 0; return y;`) as (x: number) => number;
      for (let k = 0; k < 20; k++) one(k);
      all.push(one);
    }
  },
});
