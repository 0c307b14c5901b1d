/** Keeps collators of Intl, a hundred in each crank, which lie outside of the heap. It gains memory of the machine that no isolate’s limit counts. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu_total)'] };

export default defineAgent({
  name: 'intl-collators',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 1_500 },
  async run({ sleep }) {
    const all: unknown[] = [];
    for (;;) {
      for (let i = 0; i < 100; i++) all.push(new Intl.Collator('zh-u-co-pinyin'));
      await sleep(0);
    }
  },
});
