/** Never lets the microtask queue drain. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/promise-flood',
  ceilings: { crank_cpu_ms: 200 },
  async run() {
    for (;;) await Promise.resolve();
  },
});
