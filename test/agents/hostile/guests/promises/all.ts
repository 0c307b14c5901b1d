/** Waits for the first of a million promises, and for all of them. It gains memory and time of the engine’s own functions. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)', 'completed'], vary: { many: [50_000, 2_000_000] } };

export default defineAgent({
  name: 'all',
  ceilings: { crank_cpu_ms: 200 },
  async run({ input }) {
    const { many } = input as { many: number };
    const all = Array.from({ length: many }, (_, i) => Promise.resolve(i));
    await Promise.race(all);
    await Promise.any(all);
    return (await Promise.all(all)).length > 0;
  },
});
