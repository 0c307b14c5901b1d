/** Asks a tool as often as its input says, all at once; returns how many of these calls were refused. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'asker',
  uses: { ask: 'tool:ask' },
  async run({ input, caps }) {
    const all = await Promise.allSettled(Array.from({ length: input as number }, (_, n) => caps.ask({ n })));
    return all.filter(({ status }) => status === 'rejected').length;
  },
});
