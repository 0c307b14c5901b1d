/** Parses addresses whose host has thousands of labels of other scripts. It gains CPU time of the URL parser. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 }, memory_mib: 512, vary: { labels: [1_000, 20_000] } };

export default defineAgent({
  name: 'url',
  ceilings: { crank_cpu_ms: 200, memory_mib: 512 },
  run({ input }) {
    const { labels } = input as { labels: number };
    const text = `http://${'ü.'.repeat(labels)}example/`;
    let sum = 0;
    for (;;) sum += URL.canParse(text) ? 1 : 0;
  },
});
