/** Fills memory with buffers outside of the heap, and hopes to catch the refusal. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/buffer-bomb',
  ceilings: { crank_cpu_ms: 5_000, memory_mib: 32 },
  run() {
    const hoard: Uint8Array[] = [];
    for (;;) {
      try {
        hoard.push(new Uint8Array(1 << 20).fill(1));
      } catch {
        hoard.length = 0;
      }
    }
  },
});
