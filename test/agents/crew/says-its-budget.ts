/** Says what it may spend, and writes two files, after a sleep if its input says so. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';

export default defineAgent({
  name: 'a',
  uses: { write: 'tool:fs.write' },
  async run({ caps, budget, sleep, input }) {
    const { sleep: ms } = input as { sleep?: number };
    if (ms !== undefined) await sleep(ms);
    const first = await code(caps.write({ path: 'out/a', text: '' }));
    return [budget.money_micros, budget.tokens, first, await code(caps.write({ path: 'b', text: '' }))];
  },
});
