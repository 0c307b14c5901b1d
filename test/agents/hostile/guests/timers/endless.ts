/** Sleeps for no time, for ever. It gains a commit of the host’s disk for each of its naps. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(effects)' };

export default defineAgent({
  name: 'endless',
  ceilings: { effects: 300 },
  async run({ sleep }) {
    for (;;) await sleep(0);
  },
});
