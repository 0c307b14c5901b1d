/** Calls a tool with arguments of the wrong shape. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/misshapen',
  uses: { read: 'tool:fs.read' },
  async run({ caps }) {
    await caps.read({ path: 42, extra: true } as never);
  },
});
