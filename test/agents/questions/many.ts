/** Puts ten questions at once, and says what became of each. */
import { defineAgent } from '@corral/guest';
import { code } from '../code.ts';

export default defineAgent({
  name: 'many',
  uses: { owner: 'tool:owner.ask' },
  run: async ({ ask }) => Promise.all(Array.from({ length: 10 }, (_, i) => code(ask(`Question ${i}?`, 'boolean')))),
});
