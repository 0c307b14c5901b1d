/** Pays, and emits events without need in the same crank. It gains time in which its call is decided and not yet stopped. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'flood',
  uses: { pay: 'tool:payments.send' },
  async run({ caps, emit, input }) {
    const { amount, events } = input as { amount: number; events?: number };
    if (events === undefined) return caps.pay({ to: 'acme', amount });
    const going = caps.pay({ to: 'acme', amount });
    for (let i = 0; i < events; i++) emit('drop', i);
    return going;
  },
});
