/** Recurses until the stack is full, catches that, and does it again. It gains CPU time, and learns how the machine compiled it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(stack)' };

export default defineAgent({
  name: 'stack',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    const down = (): number => 1 + down();
    for (;;) {
      try {
        down();
      } catch {
        continue;
      }
    }
  },
});
