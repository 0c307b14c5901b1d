/** Starts children with inputs of a quarter of a megabyte. It gains a copy of each in the host and in a cell. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'failed(CORRAL_BUDGET_EXCEEDED)', 'exceeded(bytes)'],
  children: ['completed'],
  vary: { many: [10, 60] },
};

const kid = defineAgent({ name: 'kid', run: ({ input }) => (input as string).length });

export default defineAgent({
  name: 'large-inputs',
  spawns: { kid },
  async run({ input, spawn }) {
    const { many } = input as { many: number };
    let sum = 0;
    for (let i = 0; i < many; i++)
      sum += (await spawn(kid, 'i'.repeat(250_000), { budget: { cpu_ms: 100, bytes: 2 ** 19 } }).ended).kind.length;
    return sum > 0;
  },
});
