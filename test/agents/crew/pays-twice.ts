/** Pays twice, or once for a handle, as its input says; returns what came of it. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';

export default defineAgent({
  name: 'payer',
  uses: { pay: 'tool:payments.send' },
  async run({ caps, input, open }) {
    if ((input as { handle?: boolean }).handle === true) {
      const h = await caps.pay.handle({ amount: 5 });
      return [h.type, await open(h)];
    }
    const pay = () => caps.pay({ amount: 5 }).then(({ paid }: { paid: unknown }) => paid, codeOf);
    return [await pay(), await pay()];
  },
});
