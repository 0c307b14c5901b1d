/** Hands its tool on to a child in a message; then both sleep. */
import { defineAgent } from '@corral/guest';

const kid = defineAgent({
  name: 'heir',
  purpose: 'is given a tool',
  uses: {},
  async run({ messages, sleep }) {
    await messages.next();
    await sleep(3_600_000);
  },
});

export default defineAgent({
  name: 'giver',
  purpose: 'gives a tool away',
  spawns: { kid },
  uses: { give: 'tool:pay' },
  async run({ caps, spawn, sleep }) {
    const child = spawn(kid, {}, { budget: { calls: 3, cpu_ms: 1000 } });
    await child.send('take this', { caps: { give: caps.give } });
    await sleep(3_600_000);
  },
});
