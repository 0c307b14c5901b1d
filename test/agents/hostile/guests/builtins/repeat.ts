/** Repeats a text up to the longest there may be and looks at its end, again and again. It gains memory that no heap limit counts in time. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['exceeded(memory)', 'exceeded(cpu)'],
  limit: { cpu_ms: 200 },
  vary: { length: [100_000_000, 500_000_000] },
};

export default defineAgent({
  name: 'repeat',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { length } = input as { length: number };
    const all: string[] = [];
    for (;;) {
      const text = 'ab'.repeat(Math.floor(length / 2));
      all.push(text.replace('b', 'c'));
      if (/z/.test(text)) return all;
    }
  },
});
