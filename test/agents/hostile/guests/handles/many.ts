/** Asks for more handles than a run may hold, and drops none. It gains a row of the host’s memory for each. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['completed', 'exceeded(handles)', 'failed(CORRAL_BUDGET_EXCEEDED)'],
  vary: { many: [1_000, 1_300] },
};

export default defineAgent({
  name: 'many',
  uses: { read: 'tool:hostile.read' },
  async run({ input, caps }) {
    const { many } = input as { many: number };
    for (let i = 0; i < many; i += 100) await Promise.allSettled(Array.from({ length: 100 }, () => caps.read.handle({ bytes: 10 })));
    return true;
  },
});
