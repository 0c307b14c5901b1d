/** Sleeps for a day, and says what time it was meanwhile. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'a',
  purpose: 'x',
  ceilings: { wall_ms: 1_000_000_000 },
  async run({ sleep }) {
    const times = [new Date().toISOString()];
    for (const ms of [7, 86_400_000]) {
      await sleep(ms);
      times.push(new Date().toISOString());
    }
    await Promise.all([sleep(50), sleep(1_000)]);
    return [...times, new Date().toISOString()];
  },
});
