/** Has two children that it does not await, and sleeps. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({ name: 'beside/child', run: ({ sleep }) => sleep(Infinity) });

export default defineAgent({
  name: 'beside',
  spawns: { child },
  async run({ spawn, sleep }) {
    for (let i = 0; i < 2; i++) spawn(child, {}, { budget: { calls: 0 } });
    await sleep(Infinity);
  },
});
