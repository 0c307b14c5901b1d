/** Logs objects that are hard to show: proxies, cycles, getters that throw, a hundred thousand levels. It gains time of the code that shows them. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(log_bytes)', 'exceeded(cpu)', 'exceeded(effects_per_crank)'] };

export default defineAgent({
  name: 'strange-objects',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    let deep: unknown = 0;
    for (let i = 0; i < 1e5; i++) deep = { deep };
    const cycle: unknown[] = [];
    cycle.push(cycle, cycle);
    const trap = () => {
      throw new Error('x');
    };
    for (;;) {
      console.error(deep, cycle, new Proxy({}, { get: trap, ownKeys: trap, getPrototypeOf: trap }));
      console.log(
        '%o %s %d',
        {
          get x() {
            return trap();
          },
        },
        Symbol('s'),
        1n,
      );
    }
  },
});
