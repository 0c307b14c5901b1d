/** Keeps who has counted, in the order in which they did. */
import { defineService, handler } from '@corral/guest';
import * as z from 'zod/mini';
export default defineService({
  name: 'counter',
  state: z.object({ by: z.array(z.string()) }),
  initial: { by: [] },
  on: {
    count: handler({ message: z.string(), reply: z.any() }, async ({ message, state, sleep }) => {
      await sleep(30);
      state.by.push(message);
      return state.by.length;
    }),
    list: handler({ message: z.any(), reply: z.any() }, ({ state }) => state.by),
  },
});
