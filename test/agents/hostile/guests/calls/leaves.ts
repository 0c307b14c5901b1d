/** Makes calls whose arguments have thousands of leaves, in a tenant with policies. It gains time of the host, which looks for the origin of each leaf. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['completed', 'exceeded(decide)'], ruled: true, vary: { leaves: [1_000, 3_000] } };

export default defineAgent({
  name: 'leaves',
  uses: { read: 'tool:hostile.read' },
  ceilings: { crank_cpu_ms: 2_000 },
  async run({ input, caps }) {
    const { leaves } = input as { leaves: number };
    const text = await caps.read({ bytes: 10_000 });
    const ends = await Promise.allSettled(
      Array.from({ length: 16 }, (_, i) =>
        caps.read({ bytes: 1, note: Array.from({ length: leaves }, (_, k) => `${String(text).slice(k % 100, (k % 100) + 12)} ${i} ${k}`) }),
      ),
    );
    return ends.length;
  },
});
