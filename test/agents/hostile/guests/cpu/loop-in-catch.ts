/** Computes for ever inside of a loop that catches everything. It gains CPU time, if being stopped is an exception that it can catch. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'loop-in-catch',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    for (;;) {
      try {
        for (;;);
      } catch {
        continue;
      }
    }
  },
});
