/** Sends a child as many messages as the input says; the child adds them up, with a checkpoint after every fifty. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

interface Job {
  readonly times: number;
}

const reader = defineAgent({
  name: 'reader',
  async run({ input, messages, checkpoint, state }) {
    const { times } = input as Job;
    let { seen, sum } = (state as { seen: number; sum: number } | undefined) ?? { seen: 0, sum: 0 };
    while (seen < times) {
      sum += (await messages.next()).body as number;
      seen += 1;
      if (seen % 50 === 0 && seen < times) await checkpoint({ seen, sum });
    }
    return sum;
  },
});

export default defineAgent({
  name: 'pair',
  spawns: { reader },
  async run({ input, spawn, sleep }) {
    const { times } = input as Job;
    const kid = spawn(reader, { times }, { budget: { messages: 1, cpu_ms: 600_000 } });
    for (let i = 0; i < times; i++) {
      await kid.send(i);
      await sleep(Math.random() * 4);
    }
    return outputOf(await kid.ended);
  },
});
