/** Rejects thousands of promises that nobody handles. It gains a list that grows with each, and the text of each. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'failed(CORRAL_UNHANDLED_REJECTION)', vary: { many: [1, 20_000] } };

export default defineAgent({
  name: 'rejections',
  ceilings: { wall_ms: 20_000 },
  async run({ input, sleep }) {
    const { many } = input as { many: number };
    for (let i = 0; i < many; i++) void Promise.reject(new Error('x'.repeat(1000)));
    await sleep(10_000);
  },
});
