/** Computes for ever in a `finally`, which runs whatever happens before it. It gains CPU time, if being stopped runs that code. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'loop-in-finally',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    for (;;) {
      try {
        for (;;);
      } finally {
        for (;;);
      }
    }
  },
});
