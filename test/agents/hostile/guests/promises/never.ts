/** Waits for a promise that nobody settles. It gains a place in memory for ever, if nobody sees that it can never wake. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(stalled)' };

export default defineAgent({
  name: 'never',
  ceilings: { wall_ms: 20_000 },
  async run() {
    await new Promise(() => undefined);
  },
});
