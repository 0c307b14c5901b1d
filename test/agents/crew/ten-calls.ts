/** Calls a tool ten times, a few milliseconds apart. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'beside',
  uses: { tick: 'tool:tick' },
  async run({ caps, sleep }) {
    for (let i = 0; i < 10; i++) {
      await caps.tick({});
      await sleep(5);
    }
  },
});
