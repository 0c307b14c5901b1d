/** Fills memory with arrays. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/array-bomb',
  ceilings: { crank_cpu_ms: 5_000, memory_mib: 32 },
  run() {
    const hoard: number[][] = [];
    for (;;) hoard.push(new Array<number>(1000).fill(1));
  },
});
