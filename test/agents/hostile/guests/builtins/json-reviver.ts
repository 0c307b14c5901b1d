/** Parses JSON with a reviver that never returns. It gains CPU time, if a callback of a built-in is not interrupted. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'json-reviver',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    return JSON.parse('[1,2,3]', () => {
      for (;;);
    });
  },
});
