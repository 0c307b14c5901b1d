/** Has child after child emit events of a quarter of a megabyte, sixteen in each crank. It gains memory of the host with each child that has ended. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', children: ['completed', 'exceeded(cpu_total)'], vary: { kids: [5, 6] } };

const kid = defineAgent({
  name: 'kid',
  async run({ emit, sleep }) {
    for (let k = 0; k < 15; k++) {
      for (let i = 0; i < 16; i++) emit('x', 'y'.repeat(250_000) + String(k) + String(i));
      await sleep(0);
    }
  },
});

export default defineAgent({
  name: 'parent',
  spawns: { kid },
  async run({ input, spawn }) {
    const { kids } = input as { kids: number };
    for (let i = 0; i < kids; i++) await spawn(kid, {}, { budget: { cpu_ms: 200, bytes: 2 ** 20 } }).ended;
  },
});
