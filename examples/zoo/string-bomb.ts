/** Fills memory with strings. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/string-bomb',
  ceilings: { crank_cpu_ms: 5_000, memory_mib: 32 },
  run() {
    const hoard: string[] = [];
    for (let i = 0; ; i++) hoard.push(`${i}`.padEnd(10_000, 'x').split('').join('y'));
  },
});
