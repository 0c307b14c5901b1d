/**
 * purchasing/planner: the same job in a form that needs nobody's approval. The planner never reads a mail. For each one it spawns a
 * reader that can read that mail and nothing else, and that answers with a number: too little room for instructions, so what
 * the stranger wrote does not influence the planner, and the bus knows it by the reader's declared output.
 */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';
import { cheapest, Order, priceIn, Purchase } from './order.ts';

/** Quarantined: it may believe whatever it reads. It holds no capability but the one mail, and its answer is a number. */
const reader = defineAgent({
  name: 'purchasing/reader',
  purpose: 'Say what one piece costs by one mail.',
  input: z.object({ id: z.int() }),
  output: z.number(),
  uses: { read: 'tool:mail.read' },
  run: async ({ input, caps }) => priceIn((await caps.read(input)).text),
});

export default defineAgent({
  name: 'purchasing/planner',
  purpose: 'Buy from the supplier whose offer, received by mail, is the cheapest, without reading any of it.',
  input: Order,
  output: Purchase,
  uses: {
    inbox: 'tool:mail.list',
    // Only to hand it on.
    read: 'tool:mail.read',
    suppliers: 'tool:suppliers.list',
    pay: 'tool:payments.send',
  },
  spawns: { reader },
  async run({ input, caps, spawn }) {
    const { suppliers } = await caps.suppliers({});
    const { mails } = await caps.inbox({});
    const ends = mails.map(({ id }) => {
      const read = caps.read.attenuate({ where: { id: { equals: id } }, uses: 1 });
      return spawn(reader, { id }, { caps: { read }, budget: { cpu_ms: 500, calls: 1, bytes: 100_000 } }).ended;
    });
    const offers = (await Promise.all(ends)).flatMap((end, i) =>
      end.kind === 'completed' ? [{ supplier: mails[i]?.supplier, price: end.output as number }] : [],
    );

    const best = cheapest(offers);
    const supplier = suppliers.find(({ name }) => name === best.supplier);
    if (supplier === undefined) throw new Error(`${best.supplier} is not in the directory.`);
    const total = best.price * input.quantity;
    const { payment } = await caps.pay({ to: supplier.account, amount: total, reference: input.reference });
    return { supplier: supplier.name, total, payment, refused: [] };
  },
});
