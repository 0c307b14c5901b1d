/** Fills memory with the keys of one object. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/keys-bomb',
  ceilings: { crank_cpu_ms: 5_000, memory_mib: 32 },
  run() {
    const hoard: Record<string, number> = {};
    for (let i = 0; ; i++) hoard[`key${i}`] = i;
  },
});
