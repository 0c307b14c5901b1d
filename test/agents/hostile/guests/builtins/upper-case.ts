/** Turns a long text to upper case by the rules of a language, in one call. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(cpu)',
  limit: { cpu_ms: 200 },
  memory_mib: 512,
  vary: { size: [5_000_000, 30_000_000] },
};

export default defineAgent({
  name: 'upper-case',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const text = 'iß'.repeat(size);
    let sum = 0;
    for (;;) sum += text.toLocaleUpperCase('tr').length;
  },
});
