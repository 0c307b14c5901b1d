/** Computes for more than a second in each crank, for ever. Many of them gain every cell of the machine, if each may keep one to itself. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'spin',
  ceilings: { crank_cpu_ms: 10_000 },
  budget: { cpu_ms: 1e9 },
  async run({ sleep }) {
    for (;;) {
      let x = 0;
      for (let i = 0; i < 2e9; i++) x += i;
      await sleep(0);
    }
  },
});
