/** Writes twice to a child that reads one message, goes on as new, and reads the other. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  async run({ messages, state, checkpoint, sleep }) {
    if (state === undefined) {
      await messages.next();
      await sleep(100);
      await checkpoint('second');
    }
    return [state, (await messages.next()).body];
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn }) {
    const kid = spawn(child, {});
    await kid.send('a');
    await kid.send('b');
    return outputOf(await kid.ended);
  },
});
