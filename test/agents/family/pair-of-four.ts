/** Writes four times to its child, and sleeps before each of them longer than it stays in memory. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const reader = defineAgent({
  name: 'reader',
  async run({ messages }) {
    let sum = 0;
    for (let i = 0; i < 4; i++) sum += (await messages.next()).body as number;
    return sum;
  },
});
export default defineAgent({
  name: 'pair',
  spawns: { reader },
  async run({ input, spawn, sleep }) {
    const { n } = input as { n: number };
    const kid = spawn(reader, {});
    for (let i = 1; i <= 4; i++) {
      await sleep(1100 + 50 * n);
      await kid.send(i);
    }
    return outputOf(await kid.ended);
  },
});
