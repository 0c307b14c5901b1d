/** Grows one buffer step by step to more than it may have. It gains memory beside the heap, if only new buffers are counted. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)', vary: { step: [100_000, 5_000_000] } };

export default defineAgent({
  name: 'resizable-buffer',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run({ input }) {
    const { step } = input as { step: number };
    const buffer = new ArrayBuffer(1, { maxByteLength: 2 ** 30 });
    const bytes = new Uint8Array(buffer);
    for (let size = step; ; size += step) {
      buffer.resize(size);
      bytes.fill(1, size - step);
    }
  },
});
