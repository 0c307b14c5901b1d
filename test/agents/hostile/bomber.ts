/** Calls a tool whose native code ends the host, at each start again; or, by its input, does honest work beside that. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'a',
  uses: { bomb: 'tool:bomb', fine: 'tool:fine' },
  async run({ input, caps, sleep }) {
    if ((input as { tool: string }).tool === 'bomb') return caps.bomb({});
    for (;;) {
      await sleep(50);
      await caps.fine({});
    }
  },
});
