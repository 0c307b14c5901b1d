/** Sends messages that each carry as many capabilities as one may, narrowed further each time. It gains a grant of the tree for each. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'failed(CORRAL_BUDGET_EXCEEDED)', 'exceeded(capabilities)'],
  children: ['killed', 'cancelled', 'exceeded(capabilities)'],
  vary: { many: [10, 90] },
};

const kid = defineAgent({ name: 'kid', run: ({ sleep }) => sleep(60_000) });

export default defineAgent({
  name: 'many',
  uses: { read: 'tool:hostile.read' },
  spawns: { kid },
  async run({ input, spawn, caps: { read } }) {
    const { many } = input as { many: number };
    const { send } = spawn(kid, {});
    const caps = Object.fromEntries(
      Array.from({ length: 32 }, (_, i) => [`c${i}`, read.attenuate({ uses: i + 1, where: { levels: { max: i } } })]),
    );
    const ends = await Promise.allSettled(Array.from({ length: many }, (_, i) => send(i, { caps })));
    return ends.length === many;
  },
});
