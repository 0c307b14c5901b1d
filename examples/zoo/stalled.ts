/** Waits for something that nothing can ever bring. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/stalled',
  async run() {
    await new Promise(() => undefined);
  },
});
