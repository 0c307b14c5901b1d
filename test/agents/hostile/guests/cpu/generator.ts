/** Walks through a generator that never ends. It gains CPU time, if only its own loops are interrupted. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'generator',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    const all = function* () {
      for (let i = 0; ; i++) yield i;
    };
    let sum = 0;
    for (const i of all()) sum += i;
    return sum;
  },
});
