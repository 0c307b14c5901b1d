/** Replaces the iterators of arrays, maps and texts by ones that never end. It gains CPU time of a prelude that spreads and destructures. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['completed', 'exceeded(cpu)'], output: 'honest' };

export default defineAgent({
  name: 'iterators',
  ceilings: { crank_cpu_ms: 200 },
  async run({ sleep }) {
    const endless = () => ({ next: () => ({ done: false, value: undefined }) });
    Array.prototype[Symbol.iterator] = endless as never;
    Map.prototype[Symbol.iterator] = endless as never;
    await sleep(1);
    return 'honest';
  },
});
