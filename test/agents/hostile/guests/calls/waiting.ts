/** Has as many calls under way as it may, each to a tool that waits. It gains the places that other tenants’ calls need. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['completed', 'exceeded(in_flight)'], vary: { ms: [100, 1_000] } };

export default defineAgent({
  name: 'waiting',
  uses: { wait: 'tool:hostile.wait' },
  async run({ input, caps }) {
    const { ms } = input as { ms: number };
    const ends = await Promise.allSettled(Array.from({ length: 250 }, () => caps.wait({ ms })));
    return ends.length;
  },
});
