/** Fills large buffers with random bytes by `crypto`. It gains CPU time of code that is not its own. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { kib: [256, 4_096] } };

export default defineAgent({
  name: 'random-bytes',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { kib } = input as { kib: number };
    const all = new Uint8Array(kib * 1024);
    for (;;) for (let at = 0; at < all.length; at += 65_536) crypto.getRandomValues(all.subarray(at, at + 65_536));
  },
});
