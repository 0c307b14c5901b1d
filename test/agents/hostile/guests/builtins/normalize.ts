/** Normalises a long text of composed letters, in one call of ICU. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(cpu)',
  limit: { cpu_ms: 200 },
  memory_mib: 512,
  vary: { size: [1_000_000, 8_000_000] },
};

export default defineAgent({
  name: 'normalize',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const text = 'ǖ\u0323\u0307'.repeat(size);
    let sum = 0;
    for (;;) sum += text.normalize('NFKD').length;
  },
});
