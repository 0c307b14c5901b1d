/** Splits a long Thai text into words, which needs a dictionary. It gains CPU time inside of ICU. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { size: [100_000, 2_000_000] } };

export default defineAgent({
  name: 'segment',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { size } = input as { size: number };
    const text = 'ภาษาไทยง่ายนิดเดียว'.repeat(size);
    const segmenter = new Intl.Segmenter('th', { granularity: 'word' });
    let sum = 0;
    for (;;) for (const { index } of segmenter.segment(text)) sum += index;
  },
});
