/** Asks for a file that is not there, again and again, and never says why it hopes. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/retry-storm',
  uses: { read: 'tool:fs.read' },
  async run({ caps }) {
    for (;;) await caps.read({ path: 'the-file-that-never-was.txt' }).catch(() => undefined);
  },
});
