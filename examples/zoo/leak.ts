/** Keeps a little more of everything it has ever seen. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/leak',
  ceilings: { memory_mib: 96 },
  async run({ sleep }) {
    const seen: Uint8Array[] = [];
    for (;;) {
      seen.push(new Uint8Array(384 * 1024).fill(1));
      await sleep(40);
    }
  },
});
