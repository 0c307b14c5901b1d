/** Makes calls whose arguments have thousands of members with long names, in a tenant with policies. It gains time of the host for text that is not in values. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'exceeded(decide)', 'exceeded(crank_members)'],
  ruled: true,
  vary: { keys: [1_000, 4_000] },
};

export default defineAgent({
  name: 'member-names',
  uses: { read: 'tool:hostile.read' },
  ceilings: { crank_cpu_ms: 2_000 },
  async run({ input, caps }) {
    const { keys } = input as { keys: number };
    await caps.read({ bytes: 10_000 });
    const ends = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) =>
        caps.read({ bytes: 1, note: Object.fromEntries(Array.from({ length: keys }, (_, k) => [`a name of some length ${i} ${k}`, k])) }),
      ),
    );
    return ends.length;
  },
});
