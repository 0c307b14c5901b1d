/** Asks a child that goes on as new before it answers. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  async run({ messages, sleep, checkpoint, state }) {
    if (state === undefined) {
      await sleep(20);
      return checkpoint(1);
    }
    await sleep(150);
    const asked = await messages.next();
    return asked.reply((asked.body as number) * 2);
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn }) {
    return spawn(child, {}).mailbox.request(21);
  },
});
