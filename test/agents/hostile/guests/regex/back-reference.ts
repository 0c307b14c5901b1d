/** Matches a long text by back references, for which there is no fast algorithm. It gains CPU time inside of the matcher. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, vary: { length: [20_000, 200_000] } };

export default defineAgent({
  name: 'back-reference',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { length } = input as { length: number };
    return /^(a*)(a*)(a*)\1\2\3b$/.test('a'.repeat(length));
  },
});
