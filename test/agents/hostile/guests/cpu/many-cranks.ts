/** Computes for a moment in each of endlessly many cranks. It gains CPU time, if only single cranks are bounded. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu_total)', vary: { turns: [100_000, 5_000_000] } };

export default defineAgent({
  name: 'many-cranks',
  budget: { cpu_ms: 300 },
  async run({ input, sleep }) {
    const { turns } = input as { turns: number };
    for (;;) {
      let x = 0;
      for (let i = 0; i < turns; i++) x += i;
      await sleep(0);
    }
  },
});
