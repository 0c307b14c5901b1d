/** Pads a text to a hundred million letters and splits it into them. It gains memory for each, in one call. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['exceeded(memory)', 'exceeded(cpu)'],
  limit: { cpu_ms: 200 },
  vary: { length: [60_000_000, 200_000_000] },
};

export default defineAgent({
  name: 'pad-and-split',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { length } = input as { length: number };
    return 'a'.padEnd(length, 'bc').split('').length;
  },
});
