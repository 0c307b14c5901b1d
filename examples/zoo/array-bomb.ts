/** Fills memory with arrays. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/array-bomb',
  ceilings: { crank_cpu_ms: 5_000, memory_mib: 32 },
  run() {
    const hoard: number[][] = [];
    for (;;) hoard.push(Array.from({ length: 1000 }, () => 1));
  },
});
