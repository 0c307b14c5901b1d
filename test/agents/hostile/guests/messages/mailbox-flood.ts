/** Writes more messages to a child that does not read than a mailbox holds. It gains the host’s disk and memory, if nothing bounds them. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', children: ['killed', 'cancelled'], vary: { many: [1_001, 1_500] }, output: true };

const kid = defineAgent({ name: 'kid', run: ({ sleep }) => sleep(60_000) });

export default defineAgent({
  name: 'flood',
  ceilings: { in_flight: 4_096 },
  spawns: { kid },
  async run({ input, spawn }) {
    const { many } = input as { many: number };
    const { send } = spawn(kid, {});
    const ends = await Promise.allSettled(Array.from({ length: many }, (_, i) => send(i)));
    return ends.some((one) => one.status === 'rejected' && (one.reason as { code: string }).code === 'CORRAL_MAILBOX_FULL');
  },
});
