/** Looks back over a long text at each of its letters. It gains CPU time inside of the matcher. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, vary: { length: [100_000, 1_000_000] } };

export default defineAgent({
  name: 'look-behind',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { length } = input as { length: number };
    return 'a'.repeat(length).replace(/(?<=(?:a|aa)+)b?/g, 'c').length;
  },
});
