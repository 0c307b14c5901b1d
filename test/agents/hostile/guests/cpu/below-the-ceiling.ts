/** Computes in each crank for almost as long as one may. It gains the cell from its tenant’s other runs for most of the time. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu_total)', vary: { ms: [80, 150] } };

export default defineAgent({
  name: 'below-the-ceiling',
  ceilings: { crank_cpu_ms: 1000 },
  budget: { cpu_ms: 800 },
  async run({ input, sleep }) {
    const { ms } = input as { ms: number };
    for (;;) {
      let x = 0;
      for (let i = 0; i < ms * 500_000; i++) x += i;
      await sleep(0);
    }
  },
});
