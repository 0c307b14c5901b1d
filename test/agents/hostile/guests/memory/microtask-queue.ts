/** Queues microtasks faster than they are run, each of which queues two more. It gains memory of a queue that no heap limit counts. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'] };

export default defineAgent({
  name: 'microtask-queue',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  async run() {
    const more = () => {
      queueMicrotask(more);
      queueMicrotask(more);
    };
    more();
    await new Promise(() => undefined);
  },
});
