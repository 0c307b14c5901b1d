/** People write to services: over HTTP and from the command line, under their own names. */
import { expect, test } from 'vitest';
import { command } from '../command.ts';
import { front } from '../front.ts';

const CLAIMS = `
import { defineAgent, defineService, handler } from '@corral/guest';
import * as z from 'zod/mini';
const claims = defineService({
  name: 'claims', purpose: 'pays claims once', key: z.string(), state: z.object({ paid: z.array(z.number()) }), initial: { paid: [] },
  on: {
    claim: handler({ message: z.object({ amount: z.number() }), reply: z.any() }, ({ message, state, from, key }) => {
      state.paid.push(message.amount);
      if (message.amount > 1000) throw new Error('too much');
      return { by: from.principal, key, paid: state.paid.length };
    }),
  },
});
export default defineAgent({ name: 'office', services: { claims }, run: () => 'open' });`;
