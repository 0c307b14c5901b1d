/** Waits, as its child and grandchild do, each for a tool that a test holds back. */
import { defineAgent } from '@corral/guest';

const grandchild = defineAgent({ name: 'grandchild', uses: { wait: 'tool:wait' }, run: ({ caps }) => caps.wait({}) });
const child = defineAgent({
  name: 'child',
  uses: { wait: 'tool:wait' },
  spawns: { grandchild },
  async run({ caps, spawn }) {
    spawn(grandchild, {}, { caps: { wait: caps.wait }, budget: { calls: 1, bytes: 1000 } });
    await caps.wait({});
  },
});
export default defineAgent({
  name: 'parent',
  uses: { wait: 'tool:wait' },
  spawns: { child },
  async run({ caps, spawn }) {
    spawn(child, {}, { caps: { wait: caps.wait }, budget: { children: 1 } });
    await caps.wait({ of: 'parent' });
    await caps.wait({ of: 'parent' });
  },
});
