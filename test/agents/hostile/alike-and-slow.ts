/** Makes the same call without end, sleeps in between or goes on from a checkpoint. It gains a loop that no single stretch of it shows. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'slowly',
  uses: { look: 'tool:same' },
  async run({ caps, sleep, checkpoint, state, input }) {
    const { ms, checkpoint: fresh = false } = input as { ms?: number; checkpoint?: boolean };
    for (let i = (state as number | undefined) ?? 0; ; i++) {
      await caps.look({ for: 'the key' });
      if (fresh && state === undefined) await checkpoint(1);
      if (i === 1 && ms !== undefined) await sleep(ms);
    }
  },
});
