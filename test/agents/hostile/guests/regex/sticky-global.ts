/** Walks through a long text by a sticky expression with named groups and indices. It gains memory for each match. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['exceeded(memory)', 'exceeded(cpu)'],
  limit: { cpu_ms: 200 },
  vary: { length: [1_000_000, 5_000_000] },
};

export default defineAgent({
  name: 'sticky-global',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { length } = input as { length: number };
    return [...'ab'.repeat(length).matchAll(/(?<a>a)(?<b>b)/dg)].length;
  },
});
