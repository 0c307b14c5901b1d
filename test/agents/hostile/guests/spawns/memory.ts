/** Has four children at once that each fill their heap. Together they gain four times what one may have, and more than their cell. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', children: ['exceeded(memory)'] };

const kid = defineAgent({
  name: 'kid',
  ceilings: { crank_cpu_ms: 5_000 },
  run() {
    const all: number[][] = [];
    for (;;) all.push(Array.from({ length: 100_000 }, (_, i) => i + 0.5));
  },
});

export default defineAgent({
  name: 'memory',
  ceilings: { crank_cpu_ms: 5_000 },
  spawns: { kid },
  run: async ({ spawn }) =>
    (await Promise.all(Array.from({ length: 4 }, () => spawn(kid, {}, { budget: { cpu_ms: 5_000 } }).ended))).length,
});
