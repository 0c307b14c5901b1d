/** Asks a service, and waits for the reply for some time. */
import { defineAgent, defineService, handler } from '@corral/guest';
import * as z from 'zod/mini';

const svc = defineService({
  name: 'svc',
  key: z.string(),
  state: z.any(),
  initial: 0,
  on: { go: handler({ message: z.any(), reply: z.any() }, () => 7) },
});

export default defineAgent({
  name: 'main',
  uses: { svc: 'service:svc' },
  services: { svc },
  run: ({ caps }) => caps.svc({ key: 'big', on: 'go', message: 0 }, { timeout_ms: 20_000 }),
});
