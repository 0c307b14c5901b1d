/** Starts a child that returns a number, and returns it, or the code with which the child ended. */
import { defineAgent } from '@corral/guest';
import { endCodeOf } from '../outcomes.ts';

const kid = defineAgent({ name: 'kid', purpose: 'answers', uses: {}, run: () => 7 });

export default defineAgent({
  name: 'boss',
  purpose: 'asks',
  spawns: { kid },
  uses: {},
  async run({ spawn }) {
    const end = await spawn(kid, {}, { budget: { calls: 5, cpu_ms: 1000 } }).ended;
    return end.kind === 'completed' ? end.output : endCodeOf(end);
  },
});
