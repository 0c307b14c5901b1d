/** Computes for ever, in the crew's own tenant, beside its readers. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/insider',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    for (;;);
  },
});
