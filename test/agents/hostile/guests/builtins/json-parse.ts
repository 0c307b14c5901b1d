/** Parses a long JSON text again and again, each in one call that cannot be interrupted. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [100_000, 1_000_000] } };

export default defineAgent({
  name: 'json-parse',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const text = `[${'[1,"a"],'.repeat(size)}0]`;
    let sum = 0;
    for (;;) sum += (JSON.parse(text) as unknown[]).length;
  },
});
