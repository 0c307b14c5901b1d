/** Matches a text by an expression that tries exponentially many ways. It gains CPU time inside of the matcher. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, vary: { length: [30, 60] } };

export default defineAgent({
  name: 'backtrack',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { length } = input as { length: number };
    return /^(?:a+)+$/.test(`${'a'.repeat(length)}!`);
  },
});
