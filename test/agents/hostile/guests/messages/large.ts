/** Writes messages of a quarter of a megabyte to children that do not read. It gains the host’s memory for each inbox. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: 'exceeded(journal_bytes)',
  children: ['killed', 'cancelled'],
  vary: { many: [80, 120] },
};

const kid = defineAgent({ name: 'kid', run: ({ sleep }) => sleep(60_000) });

export default defineAgent({
  name: 'large',
  ceilings: { journal_bytes: 64 * 1024 * 1024 },
  spawns: { kid },
  async run({ input, spawn }) {
    const { many } = input as { many: number };
    const kids = Array.from({ length: 4 }, () => spawn(kid, {}));
    for (let i = 0; i < many; i++) await Promise.allSettled(kids.map(({ send }) => send('m'.repeat(250_000))));
  },
});
