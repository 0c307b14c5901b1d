/** Pays under a rule that asks people, and no longer wants to in a way that its input names. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'undecided',
  uses: { pay: 'tool:payments.send' },
  async run({ input, caps, sleep, state, checkpoint }) {
    if (state !== undefined) return state;
    const { how } = input as { how: keyof typeof ways | 'dispose' };
    const stop = new AbortController();
    const ways = {
      abort: { signal: stop.signal },
      same: { signal: stop.signal },
      timeout: { timeout_ms: 2000 },
      signal: { signal: AbortSignal.timeout(2000) },
    };
    const options = how === 'dispose' ? {} : ways[how];
    const p = caps.pay({ to: how, amount: 1 }, options).then(
      () => 'paid',
      (error: { code?: string; name: string }) => (typeof error.code === 'string' ? error.code : error.name),
    );
    if (how === 'same') stop.abort();
    await sleep(how === 'abort' || how === 'dispose' ? 2000 : 300);
    if (how === 'abort') stop.abort();
    if (how === 'dispose') caps.pay.dispose();
    const said = await p;
    await sleep(20);
    await checkpoint(said);
  },
});
