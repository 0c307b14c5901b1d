/** Awaits through a chain of a hundred thousand asynchronous functions. It gains the stack of whoever follows it for a trace. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['failed(CORRAL_AGENT_THREW)', 'exceeded(cpu)', 'exceeded(memory)'],
  vary: { levels: [10_000, 200_000] },
};

export default defineAgent({
  name: 'async-stack',
  ceilings: { crank_cpu_ms: 200 },
  async run({ input }) {
    const { levels } = input as { levels: number };
    const down = async (n: number): Promise<number> => {
      if (n === 0) {
        await null;
        throw new Error('deep');
      }
      await null;
      return down(n - 1);
    };
    return down(levels);
  },
});
