/** Reads, which its test lets answer when its child stands still, and then hands its tool on to that child in a message. The child uses it. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';
import { outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const heir = defineAgent({
  name: 'heir',
  async run({ messages }) {
    const { caps } = await messages.next();
    return code((caps as { pay: (input: object) => Promise<unknown> }).pay({ amount: 1 }));
  },
});

export default defineAgent({
  name: 'giver',
  uses,
  spawns: { heir },
  async run({ caps, spawn }) {
    const child = spawn(heir, {}, { budget: { calls: 3 } });
    await caps.read({ path: 'a' });
    await child.send('take this', { caps: { pay: caps.pay } });
    return outputOf(await child.ended);
  },
});
