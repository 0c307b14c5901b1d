/** Empties an array while it is sorted. It gains memory that the engine has freed, if it does not look twice. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'sort-shrinks',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    for (;;) {
      const all = Array.from({ length: 10_000 }, (_, i) => i);
      all.sort((a, b) => {
        all.length = 0;
        return b - a;
      });
    }
  },
});
