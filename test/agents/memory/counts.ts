/** Appends one line after the other to a file, each once. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: 'counts',
  input: z.object({ lines: z.number() }),
  uses: { papers: 'files:papers' },
  async run({ input, caps: { papers } }) {
    for (let i = 1; i <= input.lines; i++) await papers.append({ path: 'log', text: `${i}\n` });
    return (await papers.read({ path: 'log' }))?.text;
  },
});
