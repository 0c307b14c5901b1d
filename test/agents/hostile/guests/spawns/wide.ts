/** Starts a thousand children in one crank. It gains a place, a purse and an isolate for each. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'failed(CORRAL_BUDGET_EXCEEDED)'],
  children: ['completed', 'killed'],
  vary: { many: [100, 400] },
};

const kid = defineAgent({ name: 'kid', run: () => 1 });

export default defineAgent({
  name: 'wide',
  spawns: { kid },
  ceilings: { in_flight: 1_000 },
  async run({ input, spawn }) {
    const { many } = input as { many: number };
    const ends = await Promise.all(Array.from({ length: many }, () => spawn(kid, {}, { budget: { cpu_ms: 50 } }).ended));
    return ends.length === many;
  },
});
