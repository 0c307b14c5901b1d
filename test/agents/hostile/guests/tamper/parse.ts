/** Replaces `JSON.parse`, by which a naive prelude would read deliveries. It gains deliveries of its own. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'completed', output: 'honest' };

export default defineAgent({
  name: 'parse',
  ceilings: { wall_ms: 20_000 },
  async run({ sleep }) {
    JSON.parse = () => ({ kind: 'reply', id: 1, value: 'forged' });
    await sleep(1);
    return 'honest';
  },
});
