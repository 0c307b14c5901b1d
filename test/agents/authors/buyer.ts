/** Pays, after a child has asked for the price. */
import { defineAgent } from '@corral/guest';

const asker = defineAgent({
  name: 'asker',
  purpose: 'asks',
  uses: { price: 'tool:shop.price' },
  async run({ caps, log }) {
    log('I ask');
    return ((await caps.price({})) as { price: number }).price;
  },
});

export default defineAgent({
  name: 'buyer',
  purpose: 'buys',
  uses: { pay: 'tool:bank.pay', price: 'tool:shop.price' },
  spawns: { asker },
  budget: { money_micros: 10_000_000_000 },
  async run({ caps, spawn, input }) {
    const end = await spawn(asker, {}, { caps: { price: caps.price } }).ended;
    const output = end.kind === 'completed' ? end.output : end.kind;
    return [output, await caps.pay({ to: 'bob', amount: (input as { amount: number }).amount })];
  },
});
