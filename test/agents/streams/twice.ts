/** Reads a stream, and then the next one. */
import { defineAgent } from '@corral/guest';

export default defineAgent({
  name: 'twice',
  purpose: 'reads two streams',
  uses: { talk: 'tool:talk' },
  async run({ caps }) {
    const parts: unknown[] = [];
    for await (const part of caps.talk.stream({})) parts.push(part);
    for await (const part of caps.talk.stream({})) parts.push(part);
    return parts;
  },
});
