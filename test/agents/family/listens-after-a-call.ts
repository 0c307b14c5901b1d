/** A parent that waits for its child, which makes a call and then waits for a message that nobody will write. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  uses: { gate: 'tool:gate' },
  async run({ caps, messages }) {
    await caps.gate({});
    await messages.next();
  },
});

export default defineAgent({
  name: 'parent',
  uses: { gate: 'tool:gate' },
  spawns: { child },
  async run({ spawn, caps }) {
    await spawn(child, {}, { caps: { gate: caps.gate } }).ended;
  },
});
