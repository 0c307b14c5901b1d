/** Gives a stream up after its first part, in the way that its input names; what is still under way keeps it from a checkpoint. */
import { defineAgent } from '@corral/guest';
import * as z from 'zod/mini';

export default defineAgent({
  name: 'leaves',
  purpose: 'gives a stream up',
  input: z.object({ how: z.enum(['break', 'signal']) }),
  uses: { talk: 'tool:talk' },
  async run({ caps, input, state, checkpoint }) {
    if (state !== undefined) return state;
    const stop = new AbortController();
    const stream = caps.talk.stream({}, { signal: stop.signal });
    if (input.how === 'break') {
      for await (const part of stream) if (part === 'a') break;
      return checkpoint('left');
    }
    await stream.next();
    stop.abort();
    return checkpoint(
      await stream.next().then(
        () => 'went on',
        (error: Error) => error.name,
      ),
    );
  },
});
