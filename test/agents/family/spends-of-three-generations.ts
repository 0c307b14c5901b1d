/** Has a child whose own child spends nearly all of the calls and is stopped with the rest, four times. */
import { defineAgent } from '@corral/guest';

const grandchild = defineAgent({
  name: 'grandchild',
  uses: { look: 'tool:look', up: 'mailbox' },
  async run({ caps, sleep }) {
    for (let i = 0; i < 15; i++) await caps.look({});
    await caps.up.send('done');
    await sleep(1e6);
  },
});
const child = defineAgent({
  name: 'child',
  uses: { look: 'tool:look' },
  spawns: { grandchild },
  async run({ caps, spawn, mailbox, messages }) {
    spawn(grandchild, {}, { caps: { look: caps.look, up: mailbox }, budget: { calls: 16, messages: 1, cpu_ms: 2_000 } });
    await messages.next();
  },
});
export default defineAgent({
  name: 'parent',
  uses: { look: 'tool:look' },
  spawns: { child },
  budget: { calls: 20 },
  async run({ caps, spawn }) {
    for (let i = 0; i < 4; i++)
      await spawn(child, {}, { caps: { look: caps.look }, budget: { calls: 18, messages: 2, children: 1, cpu_ms: 5_000 } }).ended;
  },
});
