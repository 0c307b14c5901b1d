/** Calls a tool twenty times, and returns all answers, and whether a number that it drew at first is still the same at the end. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'bystander',
  uses: { wait: 'tool:wait' },
  async run({ caps, sleep }) {
    const mine = Math.random();
    const kept = [mine];
    const said: unknown[] = [];
    for (let i = 0; i < 20; i++) {
      said.push(await caps.wait({ i }));
      await sleep(1);
    }
    return said.join('') + String(kept[0] === mine);
  },
});
