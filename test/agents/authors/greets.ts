/** Asks for prices, one of which is not to be had, and writes down whom it greets. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'buyer',
  purpose: 'buys',
  uses: { price: 'tool:shop.price', read: 'tool:crm.read', note: 'tool:note.keep' },
  async run({ input, caps }) {
    const { item, customer: wanted } = input as { item: string; customer?: boolean };
    const { each } = (await caps.price({ item })) as { each: number };
    const gone = await caps.price({ item: 'unicorn' }).catch((error: unknown) => (error as { code: string }).code);
    const now = new Date().toISOString();
    if (wanted !== true) return { each, gone, now };
    const customer = (await caps.read({ id: 7 })) as { name: string };
    await caps.note({ text: `for ${customer.name}` });
    return { each, gone, hello: customer.name };
  },
});
