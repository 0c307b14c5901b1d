/** Compiles expressions whose counts multiply each other. It gains CPU time and memory of the compiler from a few bytes. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(cpu)', 'exceeded(memory)'], limit: { cpu_ms: 200 }, vary: { most: [50, 900] } };

export default defineAgent({
  name: 'nested-counts',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { most } = input as { most: number };
    for (let i = 0; ; i++) {
      try {
        new RegExp(`(?:(?:(?:a{1,${most}}){1,${most}}){1,9}){${i % 9},9}b`, 'u').test('a'.repeat(1000));
      } catch {
        continue;
      }
    }
  },
});
