/** A service that adds, and says how much it has. */
import { defineService, handler } from '@corral/guest';
import * as z from 'zod/mini';

export default defineService({
  name: 'counter',
  key: z.string(),
  state: z.object({ n: z.number() }),
  initial: { n: 0 },
  on: {
    add: handler({ message: z.object({ n: z.number() }), reply: z.number() }, async ({ message, state, log }) => {
      log('adding');
      state.n += message.n;
      return state.n;
    }),
    look: handler({ message: z.null(), reply: z.number() }, async ({ state }) => state.n),
  },
});
