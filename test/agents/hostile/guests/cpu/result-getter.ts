/** Returns an object whose member is computed for ever when it is read. It gains CPU time, if results are read after the clock has stopped. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'result-getter',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    return {
      get value(): number {
        for (;;);
      },
    };
  },
});
