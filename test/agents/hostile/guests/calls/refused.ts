/** Makes thousands of calls that are refused, because their arguments fit nothing. It gains the time of each refusal, if refused calls count for nothing. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['completed', 'exceeded(in_flight)', 'exceeded(decide)'], vary: { calls: [1_000, 9_900] } };

export default defineAgent({
  name: 'refused',
  uses: { read: 'tool:hostile.read' },
  ceilings: { in_flight: 4_096, crank_cpu_ms: 2_000 },
  async run({ input, caps }) {
    const { calls } = input as { calls: number };
    const ends = await Promise.allSettled(Array.from({ length: calls }, (_, i) => caps.read({ levels: `${i}` })));
    return ends.length === calls;
  },
});
