/** Gives away what it holds, and is killed then. It gains an authority that outlives its kill, and a word after it. */
import { defineAgent } from '@corral/guest';
import { code, type Given } from '../../code.ts';

const villain = defineAgent({
  name: 'villain',
  uses: { home: 'mailbox', read: 'tool:fs.read' },
  async run({ caps, sleep }) {
    await caps.home.send('first', { caps: { read: caps.read } });
    await sleep(3_600_000);
    await caps.home.send('second');
  },
});

export default defineAgent({
  name: 'owner',
  uses: { read: 'tool:fs.read', pay: 'tool:bank.pay' },
  spawns: { villain },
  async run({ caps, spawn, mailbox, messages, emit }) {
    const child = spawn(villain, {}, { caps: { home: mailbox, read: caps.read } });
    const read = (await messages.next()).caps['read'] as Given;
    const before = await code(read({}));
    emit('used');
    const end = await child.ended;
    return [before, end.kind, await code(read({})), await code(child.send('hello?'))];
  },
});
