/** A service that keeps what was paid, and refuses to take too much. */
import { defineService, handler, type Capability } from '@corral/guest';
import * as z from 'zod/mini';

export default defineService({
  name: 'till',
  key: z.string(),
  state: z.object({ n: z.number() }),
  initial: { n: 0 },
  uses: { pay: 'tool:bank.pay' },
  on: {
    add: handler({ message: z.object({ n: z.number() }), reply: z.number() }, async ({ message, state, caps, log }) => {
      if (message.n > 9) throw new Error('too much');
      log('adding', message.n);
      const pay = caps.pay as Capability<{ amount: number }, { paid: number }>;
      state.n += (await pay({ amount: message.n })).paid;
      return state.n;
    }),
  },
});
