/** Keeps closures that each hold a scope of their own. It gains memory that is not in arrays or objects it has made. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)' };

export default defineAgent({
  name: 'closures',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run() {
    const all: (() => unknown)[] = [];
    for (let i = 0; ; i++) {
      const kept = [i, i + 1, i + 2];
      all.push(() => kept);
    }
  },
});
