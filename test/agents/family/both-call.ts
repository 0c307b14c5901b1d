/** Calls a tool that reads while its child calls one that changes something. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({ name: 'child', uses: { pay: 'tool:pay' }, run: ({ caps }) => caps.pay({}) });
export default defineAgent({
  name: 'parent',
  uses: { pay: 'tool:pay', look: 'tool:look' },
  spawns: { child },
  async run({ spawn, caps }) {
    const kid = spawn(child, {}, { caps: { pay: caps.pay } });
    await Promise.all([caps.look({}), kid.ended]);
  },
});
