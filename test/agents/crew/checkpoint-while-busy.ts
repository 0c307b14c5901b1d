/** Gives up a call that has left, and asks for a checkpoint again and again until it is no longer told to wait. */
import { defineAgent } from '@corral/guest';
import { codeOf } from '../outcomes.ts';

export default defineAgent({
  name: 'a',
  uses: { wait: 'tool:wait' },
  async run({ caps, checkpoint, sleep, state }) {
    if (state !== undefined) return state;
    const stop = new AbortController();
    const call = caps.wait({}, { signal: stop.signal }).catch(() => undefined);
    // By then the call has left.
    await sleep(1);
    stop.abort();
    await call;
    for (;;) {
      const why = await checkpoint('second').catch(codeOf);
      if (why !== 'CORRAL_CHECKPOINT_BUSY') return why;
      await sleep(20);
    }
  },
});
