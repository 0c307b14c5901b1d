/** Fills memory with a Map. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/map-bomb',
  ceilings: { crank_cpu_ms: 5_000, memory_mib: 32 },
  run() {
    const hoard = new Map<number, object>();
    for (let i = 0; ; i++) hoard.set(i, { i });
  },
});
