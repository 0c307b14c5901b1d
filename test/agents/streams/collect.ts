/** Reads all parts of a stream, and says how it ended. */
import { defineAgent, type CallOptions } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: 'collect',
  purpose: 'reads a stream',
  input: z.object({ options: z.optional(z.any()) }),
  uses: { talk: 'tool:talk' },
  async run({ caps, input }) {
    const stream = caps.talk.stream({}, input.options as CallOptions | undefined);
    const parts: unknown[] = [];
    try {
      for await (const part of stream) parts.push(part);
      return { parts, end: await stream.result };
    } catch (error) {
      const { code, name } = error as { code?: string | number; name: string };
      return { parts, code: typeof code === 'string' ? code : name };
    }
  },
});
