/** Makes promises that nobody settles, each with many that wait for it. It gains memory of the engine’s queues. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(memory)' };

export default defineAgent({
  name: 'pending-promises',
  ceilings: { crank_cpu_ms: 2_000 },
  budget: { cpu_ms: 30_000 },
  run() {
    const all: Promise<unknown>[] = [];
    for (;;) {
      const never = new Promise(() => undefined);
      for (let i = 0; i < 100; i++) all.push(never.then(() => i));
    }
  },
});
