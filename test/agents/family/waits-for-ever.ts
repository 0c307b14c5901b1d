/** Waits for a child that sleeps. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  run: async ({ sleep }) => {
    await sleep(3600000);
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { child },
  run: async ({ spawn }) => {
    await spawn(child, {}).ended;
  },
});
