/** Writes a wide object as JSON again and again, each in one call that cannot be interrupted. It gains CPU time beyond its crank. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [50_000, 400_000] } };

export default defineAgent({
  name: 'json-stringify',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const all = Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, { i }]));
    let sum = 0;
    for (;;) sum += JSON.stringify(all).length;
  },
});
