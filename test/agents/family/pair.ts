/** Sleeps long enough to be parked, then writes to a child that is parked by then; as many rounds as its input says. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const reader = defineAgent({
  name: 'reader',
  async run({ input, messages }) {
    const { rounds } = input as { rounds: number };
    let sum = 0;
    for (let i = 0; i < rounds; i++) sum += (await messages.next()).body as number;
    return sum;
  },
});
export default defineAgent({
  name: 'pair',
  spawns: { reader },
  async run({ input, spawn, sleep }) {
    const { n, rounds } = input as { n: number; rounds: number };
    const kid = spawn(reader, { rounds });
    for (let i = 1; i <= rounds; i++) {
      await sleep(1200 + 40 * n);
      await kid.send(i);
    }
    return outputOf(await kid.ended);
  },
});
