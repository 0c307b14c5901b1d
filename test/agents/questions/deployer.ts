/** Asks its owner where it may deploy and how much that may cost, and gives both back. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'deployer',
  uses: { owner: 'tool:owner.ask' },
  async run({ ask }) {
    const where: 'staging' | 'production' = await ask('Where may I deploy this?', ['staging', 'production']);
    const most: number = await ask('How much may it cost?', 'number');
    const note: string = await ask('What do I write to the team?');
    return { where, most, note };
  },
});
