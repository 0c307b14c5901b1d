/** Has a child write to its sibling, which has ended by then. */
import { defineAgent } from '@corral/guest';
import { codeOf, outputOf } from '../outcomes.ts';

const friend = defineAgent({ name: 'friend', async run() {} });
const sender = defineAgent({
  name: 'sender',
  uses: { friend: 'mailbox', home: 'mailbox' },
  async run({ caps, sleep, messages }) {
    await caps.home.send('ready');
    await messages.next();
    const late = await caps.friend.send('late').then(() => 'sent', codeOf);
    await sleep(1);
    return late;
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { friend, sender },
  async run({ spawn, mailbox, messages }) {
    const first = spawn(friend, {});
    const second = spawn(sender, {}, { caps: { friend: first.mailbox, home: mailbox } });
    await messages.next();
    await first.ended;
    await second.send('go on');
    return outputOf(await second.ended);
  },
});
