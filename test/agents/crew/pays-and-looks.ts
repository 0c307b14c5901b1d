/** Pays five amounts, of which the first is large, looks once, and returns how each call ended. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';

export default defineAgent({
  name: 'payer',
  uses: { pay: 'tool:pay', look: 'tool:look' },
  async run({ caps }) {
    const said: string[] = [];
    for (const amount of [200, 50, 50, 50, 50]) said.push(await code(caps.pay({ amount })));
    return [...said, await code(caps.look({}))];
  },
});
