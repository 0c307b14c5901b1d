/** A service with one instance a customer: it pays each claim once, whoever asks and how often. `corral run examples/claims.ts` */
import { defineAgent, defineService, handler } from '@corral/guest';
import * as z from 'zod/mini';

const Claim = z.object({ id: z.string(), amount: z.number().check(z.positive()) });
const Receipt = z.object({ paid: z.boolean(), total: z.number() });

declare module '@corral/guest' {
  interface Services {
    claims: { claim: { message: z.infer<typeof Claim>; reply: z.infer<typeof Receipt> } };
  }
}

interface State {
  paid: Record<string, number>;
}

export const claims = defineService({
  name: 'claims',
  purpose: 'Pay each claim of a customer once.',
  key: z.string().check(z.regex(/^customer-\d+$/)),
  state: z.object({ paid: z.record(z.string(), z.number()) }),
  initial: { paid: {} },
  on: {
    claim: handler({ message: Claim, reply: Receipt }, ({ message, state }: { message: z.infer<typeof Claim>; state: State }) => {
      const isNew = state.paid[message.id] === undefined;
      state.paid[message.id] ??= message.amount;
      const total = Object.values(state.paid).reduce((sum, amount) => sum + amount, 0);
      if (total > 1000) throw new Error(`${message.id} would make it ${total}; a person must look at that.`);
      return { paid: isNew, total };
    }),
  },
});

export default defineAgent({
  name: 'claims/office',
  purpose: 'Hand in some claims, one of them twice and one too large.',
  uses: { claims: 'service:claims' },
  services: { claims },
  async run({ caps, log }) {
    const claim = async (key: string, id: string, amount: number) => {
      const receipt = await caps.claims({ key, on: 'claim', message: { id, amount } }).catch((error: Error) => error.message);
      log(key, id, receipt);
      return receipt;
    };
    return [
      await claim('customer-7', 'a', 40),
      await claim('customer-7', 'a', 40),
      await claim('customer-7', 'b', 5000),
      await claim('customer-7', 'c', 60),
      await claim('customer-8', 'a', 1),
    ];
  },
});
