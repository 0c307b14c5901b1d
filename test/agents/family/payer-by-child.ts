/** Has its child pay what it was asked to pay itself. */
import { defineAgent } from '@corral/guest';
import { outputOf } from '../outcomes.ts';

const child = defineAgent({
  name: 'child',
  uses: { pay: 'tool:payments.send' },
  async run({ input, caps }) {
    return caps.pay(input).then(
      () => 'paid',
      (error) => error.code,
    );
  },
});
export default defineAgent({
  name: 'parent',
  uses: { pay: 'tool:payments.send' },
  spawns: { child },
  async run({ input, spawn, caps }) {
    const end = await spawn(child, input, { caps: { pay: caps.pay }, budget: { calls: 5, bytes: 10000, money_micros: 9_000_000_000 } })
      .ended;
    return outputOf(end);
  },
});
