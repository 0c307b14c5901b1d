/** Has a child that goes on when it is cancelled, for ever: it gains a run that outlives its parent, if nothing ends it after its grace. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  async run({ sleep }) {
    for (;;) await sleep(50).catch(() => 0);
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn }) {
    await spawn(child, {}).ended;
  },
});
