/** Sends more in one effect than may leave at once. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/giant',
  uses: { read: 'tool:fs.read' },
  async run({ caps }) {
    await caps.read({ path: 'x'.repeat(8_000_000) });
  },
});
