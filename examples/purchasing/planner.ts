/**
 * purchasing/planner: the same job in a form that needs nobody's approval. The planner has the mails fetched and reads none: it is given
 * handles, and hands each to a reader that can do nothing but open it and answer with a number. Such an answer is too small for instructions, so the stranger's text does not influence the planner, and the bus knows it by the reader's declared output.
 */
import { defineAgent, type Handle } from '@corral/guest';
import * as z from 'zod/mini';
import { cheapest, Order, priceIn, Purchase } from './order.ts';

/** Quarantined: it may believe whatever it reads. It holds no capability at all, and its answer is a number. */
const reader = defineAgent({
  name: 'purchasing/reader',
  purpose: 'Say what one piece costs by one mail.',
  // A handle: what it stands for, no schema says.
  input: z.object({ mail: z.unknown() }),
  output: z.number(),
  run: async ({ input, open }) => priceIn((await open(input.mail as Handle<{ text: string }>)).text),
});

export default defineAgent({
  name: 'purchasing/planner',
  purpose: 'Buy from the supplier whose offer, received by mail, is the cheapest, without reading any of it.',
  input: Order,
  output: Purchase,
  uses: {
    inbox: 'tool:mail.list',
    read: 'tool:mail.read',
    suppliers: 'tool:suppliers.list',
    pay: 'tool:payments.send',
  },
  spawns: { reader },
  async run({ input, caps, spawn }) {
    const { suppliers } = await caps.suppliers({});
    const { mails } = await caps.inbox({});
    const ends = mails.map(async ({ id }) => {
      const mail = await caps.read.handle({ id });
      return spawn(reader, { mail }, { budget: { cpu_ms: 500, calls: 0, bytes: 20_000 } }).ended;
    });
    const offers = (await Promise.all(ends)).flatMap((end, i) =>
      end.kind === 'completed' ? [{ supplier: mails[i]?.supplier, price: end.output }] : [],
    );

    const best = cheapest(offers);
    const supplier = suppliers.find(({ name }) => name === best.supplier);
    if (supplier === undefined) throw new Error(`${best.supplier} is not in the directory.`);
    const total = best.price * input.quantity;
    const { payment } = await caps.pay({ to: supplier.account, amount: total, reference: input.reference });
    return { supplier: supplier.name, total, payment, refused: [] };
  },
});
