/** Waits for its child, and sleeps for a moment after it has ended. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const kid = defineAgent({
  name: 'kid',
  async run({ sleep }) {
    await sleep(20);
    return 7;
  },
});

export default defineAgent({
  name: 'p',
  spawns: { kid },
  async run({ spawn, sleep }) {
    const end = await spawn(kid, {}).ended;
    await sleep(1);
    return outputOf(end);
  },
});
