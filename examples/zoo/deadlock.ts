/** Waits for its child to end, which waits to be told something first. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'zoo/deadlock/child',
  async run({ messages }) {
    await messages.next();
  },
});

export default defineAgent({
  name: 'zoo/deadlock',
  spawns: { child },
  async run({ spawn }) {
    await spawn(child, {}).ended;
  },
});
