/** Sends itself capabilities until its c-list is full. It gains the host's memory, or capabilities that others lose. */
import { defineAgent } from '@corral/guest';
import { code, type Given } from '../../code.ts';

export default defineAgent({
  name: 'owner',
  uses: { read: 'tool:fs.read', pay: 'tool:bank.pay' },
  async run({ caps, mailbox, messages }) {
    const bomb = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`c${i}`, caps.read]));
    for (let i = 0; i < 33; i++) await mailbox.send('', { caps: bomb });
    let last = await messages.next();
    for (let i = 1; i < 33; i++) last = await messages.next();
    return [await code(caps.read({ path: 'a' })), await code((last.caps['c31'] as Given)({}))];
  },
});
