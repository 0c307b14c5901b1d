/** Calls a tool that it was not given. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'zoo/uninvited',
  uses: { read: 'tool:fs.read' },
  async run({ caps }) {
    const everything = caps as unknown as Record<string, (input: object) => Promise<unknown>>;
    await everything['write']?.({ path: 'owned.txt', text: 'I was here.' });
  },
});
