/** Has children that each compute for as long as they may, one after the other. It gains CPU time, if nobody is billed for a crank that was stopped. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'exceeded(cpu_total)'],
  children: ['exceeded(cpu)', 'exceeded(cpu_total)', 'killed'],
  vary: { many: [2, 6] },
};

const kid = defineAgent({
  name: 'kid',
  run() {
    for (;;);
  },
});

export default defineAgent({
  name: 'computing',
  spawns: { kid },
  async run({ input, spawn }) {
    const { many } = input as { many: number };
    for (let i = 0; i < many; i++) await spawn(kid, {}, { budget: { cpu_ms: 400 } }).ended;
  },
});
