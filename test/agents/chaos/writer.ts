/** Writes lines that must not be written twice, by itself and by its children, with sleeps and a checkpoint in between. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  uses: { append: 'tool:append' },
  async run({ input, caps, sleep }) {
    const { times } = input as { times: number };
    let sum = 0;
    for (let i = 0; i < times; i++) {
      sum += (await caps.append({ n: i })).n;
      if (i % 3 === 1) await sleep(Math.random() * 20);
    }
    return sum;
  },
});
export default defineAgent({
  name: 'writer',
  uses: { append: 'tool:append' },
  spawns: { child },
  async run({ input, caps, spawn, checkpoint, state, sleep }) {
    if (state === undefined) {
      await Promise.all([caps.append({ n: 1 }), caps.append({ n: 2 })]);
      await sleep(Math.random() * 30);
      await checkpoint({ random: Math.random() });
    }
    const kid =
      (input as { n: number }).n % 4 === 0
        ? spawn(child, { times: 3 }, { caps: { append: caps.append }, budget: { calls: 3, cpu_ms: 1000 } })
        : undefined;
    for (let i = 0; i < 4; i++) await caps.append({ n: i });
    const end = kid && (await kid.ended);
    return [(end && outputOf(end)) ?? 0, typeof (state as { random: number }).random];
  },
});
