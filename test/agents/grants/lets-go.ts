/** Passes a capability on and lets go of its own twice, and tries to let go of its mailbox. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';
import { codeOf, outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const server = defineAgent({
  name: 'server',
  async run({ messages }) {
    const { caps } = await messages.next();
    return caps['reader']({ path: 'mine' });
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { server },
  async run({ caps, spawn, mailbox }) {
    const child = spawn(server, {});
    await child.send('', { caps: { reader: caps.read } });
    caps.read.dispose();
    caps.read.dispose();
    let own: string | undefined;
    try {
      mailbox.dispose();
    } catch (error) {
      own = codeOf(error);
    }
    return [await code(caps.read({ path: 'x' })), own, outputOf(await child.ended)];
  },
});
