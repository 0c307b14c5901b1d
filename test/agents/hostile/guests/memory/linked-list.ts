/** Builds a list of objects that each hold the next, as deep as memory goes. It gains memory, and a garbage collector that has to walk down it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)' };

export default defineAgent({
  name: 'linked-list',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run() {
    let list: unknown;
    for (;;) list = { list };
  },
});
