/** Replaces each letter of a long text by a longer text, in one call. It gains gigabytes and seconds, if a built-in looks at neither limit. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = {
  ends: ['exceeded(cpu)', 'exceeded(memory)'],
  limit: { cpu_ms: 200 },
  vary: { size: [300_000, 500_000] },
};

export default defineAgent({
  name: 'replace-all',
  ceilings: { crank_cpu_ms: 200 },
  run({ input }) {
    const { size } = input as { size: number };
    const text = 'a'.repeat(size);
    return text.replaceAll('a', (_, at: number) => 'b'.repeat(1000) + String(at)).length;
  },
});
