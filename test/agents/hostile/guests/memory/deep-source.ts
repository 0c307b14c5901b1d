/** Generates code that nests a hundred thousand levels. It gains the cell’s own stack, if the parser recurses without a limit. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(stack)', vary: { levels: [500_000, 1_000_000] } };

export default defineAgent({
  name: 'deep-source',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run({ input }) {
    const { levels } = input as { levels: number };
    return new Function(`return ${'('.repeat(levels)}1${')'.repeat(levels)}`)() as number;
  },
});
