/** Writes three times to a child, which has left memory each time. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  async run({ messages }) {
    const said = [];
    for (let i = 0; i < 3; i++) said.push((await messages.next()).body);
    return said;
  },
});
export default defineAgent({
  name: 'parent',
  spawns: { child },
  async run({ spawn, sleep }) {
    const kid = spawn(child, {}, { budget: { messages: 1 } });
    for (let i = 0; i < 3; i++) {
      await sleep(120);
      await kid.send(i);
    }
    return outputOf(await kid.ended);
  },
});
