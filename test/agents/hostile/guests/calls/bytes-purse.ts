/** Makes hundreds of calls at once, whose results together are far larger than its purse of bytes. It gains what each call in flight may bring beyond it. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['exceeded(bytes)', 'failed(CORRAL_BUDGET_EXCEEDED)', 'completed'],
  vary: { calls: [50, 200] },
  output: true,
};

export default defineAgent({
  name: 'bytes-purse',
  uses: { read: 'tool:hostile.read' },
  budget: { bytes: 100_000 },
  async run({ input, caps }) {
    const { calls } = input as { calls: number };
    const ends = await Promise.allSettled(Array.from({ length: calls }, () => caps.read({ bytes: 50_000 })));
    return ends.reduce((sum, one) => sum + (one.status === 'fulfilled' ? (one.value as string).length : 0), 0) <= 200_000;
  },
});
