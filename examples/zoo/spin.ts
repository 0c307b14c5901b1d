/** Computes for ever. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/spin',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    for (;;);
  },
});
