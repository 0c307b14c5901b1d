/** Asks a child that never answers, and gives each question up at once. It gains an entry for each in books that wait for the answer. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'exceeded(in_flight)', 'failed(CORRAL_BUDGET_EXCEEDED)'],
  children: ['killed', 'cancelled'],
  vary: { many: [100, 900] },
};

const kid = defineAgent({ name: 'kid', run: ({ sleep }) => sleep(60_000) });

export default defineAgent({
  name: 'requests',
  spawns: { kid },
  async run({ input, spawn }) {
    const { many } = input as { many: number };
    const { mailbox } = spawn(kid, {});
    for (let i = 0; i < many; i++) await mailbox.request(i, { timeout_ms: 1 }).catch(() => undefined);
  },
});
