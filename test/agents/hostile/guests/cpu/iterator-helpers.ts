/** Drains an endless iterator by a built-in helper, which loops inside of the engine. It gains CPU time, if built-ins are not interrupted. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'iterator-helpers',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    const all = function* () {
      for (;;) yield 1;
    };
    return all()
      .filter(() => false)
      .drop(10)
      .toArray();
  },
});
