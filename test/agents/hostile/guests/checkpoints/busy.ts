/** Starts over while calls and timers of it are under way. It gains answers that arrive in a run that did not ask. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_CHECKPOINT_BUSY)' };

export default defineAgent({
  name: 'busy',
  uses: { wait: 'tool:hostile.wait' },
  async run({ caps, checkpoint, sleep }) {
    void caps.wait({ ms: 500 });
    await sleep(1);
    return checkpoint(1);
  },
});
