/** Reads a file that is there and one that is not, and writes one. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'writer',
  uses: { read: 'tool:fs.read', write: 'tool:fs.write' },
  async run({ input, caps }) {
    const { path } = input as { path: string };
    await caps.read({ path: 'a.txt' });
    await caps.read({ path: 'none.txt' }).catch(() => undefined);
    return caps.write({ path, text: 'x' }).then(
      () => 'written',
      (error: unknown) => (error as { code: string }).code,
    );
  },
});
