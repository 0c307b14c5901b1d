/** Searches an array without items that says it has four thousand million. It gains CPU time in one call that does not look at the clock. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'sparse-array',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    const all: number[] = [];
    all.length = 2 ** 32 - 1;
    return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1) + all.indexOf(1);
  },
});
