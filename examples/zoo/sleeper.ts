/** Sleeps longer than it may live. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/sleeper',
  ceilings: { wall_ms: 500 },
  async run({ sleep }) {
    await sleep(3_600_000);
  },
});
