/** Starts a child, and sleeps as long as it does. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  async run({ sleep }) {
    await sleep(1e6);
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn, sleep }) {
    spawn(child, {});
    await sleep(1e6);
  },
});
