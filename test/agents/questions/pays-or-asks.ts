/** Pays, or asks its owner; before that it reads what is private to somebody, where its input says so. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';

export default defineAgent({
  name: 'payer',
  uses: { pay: 'tool:pay', read: 'tool:hr.read', owner: 'tool:owner.ask' },
  async run({ input, caps, ask }) {
    const { reads = false, asks = false } = input as { reads?: boolean; asks?: boolean };
    if (reads) await caps.read({});
    return asks ? ask('<!channel> Is *this* right?', 'boolean') : code(caps.pay({ to: 'secret-account', amount: 250 }));
  },
});
