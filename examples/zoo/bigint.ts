/** Multiplies large integers; the multiplication does not look at the clock. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/bigint',
  ceilings: { crank_cpu_ms: 200, memory_mib: 256 },
  run() {
    let product = 3n;
    for (let i = 0; i < 28; i++) product *= product;
    return String(product % 7n);
  },
});
