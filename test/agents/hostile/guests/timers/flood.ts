/** Sets ten thousand timers in one crank. It gains an entry for each in the queues of the host. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', vary: { many: [300, 2_000] } };

export default defineAgent({
  name: 'flood',
  ceilings: { wall_ms: 20_000 },
  async run({ input, sleep }) {
    const { many } = input as { many: number };
    for (let i = 0; i < many; i++) setTimeout(() => undefined, i % 100);
    await sleep(500);
  },
});
