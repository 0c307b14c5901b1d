/** Makes objects with names that no other has, each of which the engine keeps once and for all. It gains memory of the table of names. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)' };

export default defineAgent({
  name: 'interned-names',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run() {
    const all: object[] = [];
    for (let i = 0; ; i++) all.push({ [`name ${i} ${'n'.repeat(50)}`]: i });
  },
});
