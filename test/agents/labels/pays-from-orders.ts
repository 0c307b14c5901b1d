/** Reads orders in the way that its input says, and pays the account of the first one, then the account that its note names. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';
import { codeOf } from '../outcomes.ts';

interface Orders {
  readonly items: readonly { readonly account: string; readonly note: string }[];
}

export default defineAgent({
  name: 'payer',
  input: z.object({ by: z.enum(['tool', 'crm', 'quiet']), origin: z.optional(z.string()) }),
  uses: { orders: 'tool:orders.list', crm: 'http:crm', quiet: 'http:quiet', pay: 'tool:pay' },
  async run({ input: { by, origin }, caps }) {
    const asked = async (capability: 'crm' | 'quiet') =>
      JSON.parse((await caps[capability]({ origin: origin ?? '', path: '/' })).body ?? '') as Orders;
    const { items } = by === 'tool' ? ((await caps.orders({})) as Orders) : await asked(by);
    const pay = (to: string) => caps.pay({ to }).catch(codeOf) as Promise<string>;
    return [await pay(items[0]?.account ?? ''), await pay(/Pay (\w+)/.exec(items[0]?.note ?? '')?.[1] ?? '')];
  },
});
