/** Has one child after another call a tool that takes more than it says. It gains what the budget of each child did not hold. */
import { defineAgent } from '@corral/guest';

const kid = defineAgent({ name: 'kid', uses: { liar: 'tool:liar' }, run: ({ caps }) => caps.liar({}) });

export default defineAgent({
  name: 'parent',
  uses: { liar: 'tool:liar' },
  spawns: { kid },
  async run({ caps, spawn }) {
    const ends: string[] = [];
    for (let n = 0; n < 8; n++) {
      const end = await spawn(kid, {}, { caps: { liar: caps.liar }, budget: { calls: 1, bytes: 1000, tokens: 10 } }).ended;
      ends.push(end.kind);
    }
    return ends;
  },
});
