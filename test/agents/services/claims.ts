/** A service that pays claims, and an office that has it. */
import { defineAgent, defineService, handler, type Budget, type Ceilings } from '@corral/guest';
import * as z from 'zod/mini';

/** @param more what the service asks for */
export const office = (more: { readonly budget?: Budget; readonly ceilings?: Ceilings } = {}) => {
  const claims = defineService({
    name: 'claims',
    ...more,
    purpose: 'pays claims once',
    key: z.string(),
    state: z.object({ paid: z.array(z.number()) }),
    initial: { paid: [] },
    on: {
      claim: handler({ message: z.object({ amount: z.number() }), reply: z.any() }, ({ message, state, from, key }) => {
        state.paid.push(message.amount);
        if (message.amount > 1000) throw new Error('too much');
        return { by: from.principal, key, paid: state.paid.length };
      }),
    },
  });
  return defineAgent({ name: 'office', services: { claims }, run: () => 'open' });
};

export default office();
