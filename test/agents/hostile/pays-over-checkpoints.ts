/** Pays once from each checkpoint to the next. It gains a rate that begins again, if a checkpoint forgets what was called. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';

export default defineAgent({
  name: 'a',
  uses: { pay: 'tool:payments.send' },
  async run({ input, caps, checkpoint, state }) {
    const n = (state as { n: number } | undefined)?.n ?? 0;
    const said = await code(caps.pay({ to: (input as { to: string }).to, amount: 1 }));
    if (said === 'ok' && n < 9) await checkpoint({ n: n + 1 });
    return [n, said];
  },
});
