/** Passes a narrowed capability to itself again and again. It gains depth without end, or a copy that has lost its narrowing. */
import { defineAgent } from '@corral/guest';
import { code, type Given } from '../../code.ts';

export default defineAgent({
  name: 'owner',
  uses: { read: 'tool:fs.read', pay: 'tool:bank.pay' },
  async run({ caps, mailbox, messages }) {
    let cap: Given = caps.read.attenuate({ where: { path: { equals: 'a' } } }) as Given;
    for (let depth = 0; ; depth++) {
      const sent = await code(mailbox.send('', { caps: { cap } }));
      if (sent !== 'ok') return { depth, sent, last: await code(cap({ path: 'a' })), wider: await code(cap({ path: 'b' })) };
      cap = (await messages.next()).caps['cap'] as Given;
    }
  },
});
