/** Fills weak maps whose keys hold their values, in chains. It gains memory and collections that take quadratic time. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'] };

export default defineAgent({
  name: 'weak-maps',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run() {
    let key: object = {};
    const map = new WeakMap<object, object>();
    const first = key;
    for (;;) {
      const next = { at: first };
      map.set(key, next);
      key = next;
    }
  },
});
