/** Waits for its child to end, which waits to be told something; before that, if its input says so, for a tool that a test holds back. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  async run({ messages }) {
    await messages.next();
  },
});

export default defineAgent({
  name: 'parent',
  uses: { gate: 'tool:gate' },
  spawns: { child },
  async run({ input, caps, spawn }) {
    const kid = spawn(child, {});
    if ((input as { first: boolean }).first) await caps.gate({});
    await kid.ended;
  },
});
