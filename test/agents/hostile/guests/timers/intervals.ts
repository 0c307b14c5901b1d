/** Has two hundred intervals of one millisecond under way. It gains the host’s attention two hundred times a millisecond. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(effects)' };

export default defineAgent({
  name: 'intervals',
  ceilings: { effects: 600 },
  async run({ sleep }) {
    for (let i = 0; i < 200; i++) setInterval(() => undefined, 1);
    await sleep(60_000);
  },
});
