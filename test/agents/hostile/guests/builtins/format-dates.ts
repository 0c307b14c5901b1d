/** Formats dates by formatters that it makes for each. It gains CPU time inside of ICU, whose set-up is slow. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { year: [1, 9_000] } };

export default defineAgent({
  name: 'format-dates',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { year } = input as { year: number };
    let sum = 0;
    for (let i = 0; ; i++)
      sum += new Intl.DateTimeFormat('ar-u-ca-islamic', { dateStyle: 'full', timeStyle: 'full', timeZone: 'Asia/Tehran' }).format(
        new Date(year, i % 12),
      ).length;
  },
});
