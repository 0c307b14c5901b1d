/** Makes almost ten thousand calls in one crank. It gains the loop of the host while they are decided, one after the other. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['completed', 'exceeded(in_flight)', 'exceeded(decide)'], vary: { calls: [1_000, 9_900] } };

export default defineAgent({
  name: 'many',
  uses: { read: 'tool:hostile.read' },
  ceilings: { in_flight: 4_096, crank_cpu_ms: 2_000 },
  async run({ input, caps }) {
    const { calls } = input as { calls: number };
    const ends = await Promise.allSettled(Array.from({ length: calls }, (_, i) => caps.read({ bytes: i % 7 })));
    return ends.length === calls;
  },
});
