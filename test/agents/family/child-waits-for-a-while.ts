/** Waits for a child that waits for a message, and for no longer than it sleeps. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  async run({ messages, sleep }) {
    await Promise.race([messages.next(), sleep(50)]);
    return 1;
  },
});

export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn }) {
    return outputOf(await spawn(child, {}).ended);
  },
});
