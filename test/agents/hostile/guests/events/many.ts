/** Emits ten thousand small events in one crank, again and again. It gains a row of the host’s disk for each. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(effects)', vary: { each: [2_000, 9_990] } };

export default defineAgent({
  name: 'many',
  ceilings: { effects: 30_000, crank_cpu_ms: 2_000 },
  async run({ input, emit, sleep }) {
    const { each } = input as { each: number };
    for (;;) {
      for (let i = 0; i < each; i++) emit('x', i);
      await sleep(0);
    }
  },
});
