/** Awaits what is there already, for ever, from a number of loops at once. It gains CPU time and holds its crank open. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, vary: { loops: [1, 1000] } };

export default defineAgent({
  name: 'await-nothing',
  ceilings: { crank_cpu_ms: 200 },
  async run({ input }) {
    const { loops } = input as { loops: number };
    const spin = async () => {
      for (;;) await null;
    };
    await Promise.all(Array.from({ length: loops }, spin));
  },
});
