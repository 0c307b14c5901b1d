/** Eight runs of one tenant compute at once, each in a crank that never ends. Together they gain every core of the machine. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', at_once: 8 };

export default defineAgent({
  name: 'many-at-once',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    for (;;);
  },
});
