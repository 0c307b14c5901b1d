/** An agent that asks a service of its own bundle. */
import { defineAgent, defineService, handler } from '@corral/guest';
import * as z from 'zod/mini';

export const counter = defineService({
  name: 'counter',
  key: z.string(),
  state: z.object({ n: z.number() }),
  initial: { n: 0 },
  on: { count: handler({ message: z.null(), reply: z.number() }, ({ state }) => (state.n += 1)) },
});

export default defineAgent({
  name: 'buyer',
  purpose: 'buys',
  services: { counter },
  uses: { counter: 'service:counter' },
  run: ({ caps }) => caps.counter({ key: 'a', on: 'count', message: null }),
});
