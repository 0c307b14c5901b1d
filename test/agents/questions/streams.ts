/** Asks two tools that need input of people for streams, and tells how each ended. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'streams',
  onUnknown: 'tell',
  uses: { book: 'tool:book', live: 'tool:live' },
  async run({ caps }) {
    const said: unknown[] = [];
    for (const tool of [caps.book, caps.live]) {
      const answer = tool.stream({ room: 'a' });
      try {
        for await (const part of answer) said.push(part);
        said.push(await answer.result);
      } catch (error) {
        const { code, message } = error as { code?: string; message?: string };
        said.push([code, message]);
      }
    }
    return said;
  },
});
