/** Gives every object members in another order, so that each has a shape of its own. It gains memory for shapes, and slow code everywhere. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'] };

export default defineAgent({
  name: 'shapes',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run() {
    const all: object[] = [];
    for (let i = 0; ; i++) {
      const one: Record<string, number> = {};
      for (let k = 0; k < 20; k++) one[`m${(i * 7 + k * k * (i % 13)) % 10_007}`] = k;
      all.push(one);
    }
  },
});
