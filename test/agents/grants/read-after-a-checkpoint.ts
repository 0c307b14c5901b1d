/** Sends a child two messages with capabilities. The child reads the second after a checkpoint. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';
import { uses } from './uses.ts';

const server = defineAgent({
  name: 'server',
  async run({ messages, state, checkpoint, sleep }) {
    if (state === undefined) {
      await messages.next();
      await sleep(50);
      await checkpoint('second');
    }
    const { caps, body } = await messages.next();
    await sleep(200);
    return [body, await caps['reader']({ path: 'x' })];
  },
});

export default defineAgent({
  name: 'owner',
  uses,
  spawns: { server },
  async run({ caps, spawn, sleep }) {
    const child = spawn(server, {});
    await sleep(300);
    await child.send('one', { caps: { other: caps.pay } });
    await child.send('two', { caps: { reader: caps.read } });
    return outputOf(await child.ended);
  },
});
