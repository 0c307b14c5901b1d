/** Decodes and encodes long texts again and again. It gains CPU time of code that is not its own. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [100_000, 2_000_000] } };

export default defineAgent({
  name: 'text-decoder',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const bytes = new TextEncoder().encode('ü€😀'.repeat(size));
    let sum = 0;
    for (;;) sum += new TextDecoder().decode(bytes).length;
  },
});
