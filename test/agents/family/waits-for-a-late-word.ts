/** Waits for a message that its child sends after it has slept. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  uses: { to: 'mailbox' },
  async run({ caps, sleep }) {
    await sleep(400);
    await caps.to.send('late');
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn, mailbox, messages }) {
    spawn(child, {}, { caps: { to: mailbox }, budget: { messages: 1 } });
    return (await messages.next()).body;
  },
});
