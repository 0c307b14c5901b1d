/** Asks a child, which asks back before it replies, so that each waits for the other. */
import { defineAgent } from '@corral/guest';

const child = defineAgent({
  name: 'child',
  async run({ messages }) {
    const first = await messages.next();
    return first.caps['home'].request('and you?');
  },
});

export default defineAgent({
  name: 'parent',
  spawns: { child },
  run: ({ spawn, mailbox }) => spawn(child, {}).mailbox.request('you?', { caps: { home: mailbox } }),
});
