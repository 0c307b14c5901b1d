/** Sets timers for odd times: negative, infinite, not a number, further than there are years. It gains a timer that the machine’s clock turns around. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(wall)', limit: { wall_ms: 500 } };

export default defineAgent({
  name: 'odd-times',
  ceilings: { wall_ms: 500 },
  async run({ sleep }) {
    for (const ms of [-1, NaN, Infinity, 2 ** 31, 2 ** 53, 1e300]) setTimeout(() => undefined, ms);
    await sleep(Infinity);
  },
});
