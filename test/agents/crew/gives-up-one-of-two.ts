/** Pays twice at once, and gives one of the two up after a while. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'two',
  uses: { pay: 'tool:payments.send' },
  async run({ caps }) {
    const one = caps.pay({ to: 'a', amount: 1 }, { signal: AbortSignal.timeout(100) }).catch((error: Error) => error.name);
    const other = caps.pay({ to: 'b', amount: 1 }).then(() => 'paid');
    return [await one, await other];
  },
});
