/** Starts two children, each of which starts two that call a tool all the time. */
import { defineAgent } from '@corral/guest';

const leaf = defineAgent({
  name: 'leaf',
  uses: { tick: 'tool:tick' },
  async run({ caps, sleep }) {
    for (;;) {
      await caps.tick({});
      await sleep(5);
    }
  },
});
const branch = defineAgent({
  name: 'branch',
  uses: { tick: 'tool:tick' },
  spawns: { leaf },
  async run({ caps, spawn, sleep }) {
    for (let i = 0; i < 2; i++) {
      spawn(leaf, {}, { caps: { tick: caps.tick }, budget: { calls: 100000, cpu_ms: 20000, bytes: 1000000 } });
      await sleep(5);
    }
    await sleep(3600000);
  },
});
export default defineAgent({
  name: 'root',
  uses: { tick: 'tool:tick' },
  spawns: { branch },
  ceilings: { wall_ms: 3600000 },
  async run({ caps, spawn, sleep }) {
    for (let i = 0; i < 2; i++) {
      spawn(branch, {}, { caps: { tick: caps.tick }, budget: { calls: 300000, cpu_ms: 60000, children: 4, bytes: 3000000 } });
      await sleep(5);
    }
    await sleep(3600000);
  },
});
