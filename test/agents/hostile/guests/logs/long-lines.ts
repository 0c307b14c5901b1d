/** Logs lines of ten million letters. It gains memory and disk, if a line is counted before it is cut. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['exceeded(log_bytes)', 'exceeded(cpu)', 'exceeded(memory)'],
  vary: { length: [10_000, 10_000_000] },
};

export default defineAgent({
  name: 'long-lines',
  ceilings: { wall_ms: 20_000 },
  run({ input, log }) {
    const { length } = input as { length: number };
    for (;;) log('x'.repeat(length));
  },
});
