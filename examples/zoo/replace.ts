/** One call into a built-in that does not look at the clock: it would run for 21 s and take 2.2 GB. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/replace',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run() {
    return 'a'.repeat(1 << 26).replace(/a/g, 'bb').length;
  },
});
