/** scene/neighbour: makes a call ten times a second for some seconds, in the tenant of agents that misbehave. Its calls show whether those hold it up. */
import { defineAgent } from '@corral/guest';

const CALLS = 80;
const EVERY_MS = 100;

export default defineAgent({
  name: 'scene/neighbour',
  purpose: 'Go on, whoever misbehaves beside it.',
  uses: { pulse: 'tool:pulse.read' },
  async run({ caps, sleep }) {
    for (let i = 0; i < CALLS; i++) {
      await caps.pulse({});
      await sleep(EVERY_MS);
    }
    return CALLS;
  },
});
