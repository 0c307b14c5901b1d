/** Asks its owner where to go on, and waits for the answer: `corral run examples/ask.ts` in a terminal. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: 'ask',
  purpose: 'Say where something is deployed, as its owner wants it.',
  output: z.object({ deploy: z.enum(['staging', 'production']) }),
  uses: { owner: 'tool:owner.ask' },
  async run({ ask }) {
    const where = await ask('Where may I deploy this?', ['staging', 'production']);
    return { deploy: where };
  },
});
