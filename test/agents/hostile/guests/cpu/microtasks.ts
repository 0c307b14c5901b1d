/** Continues in one microtask after another, so that no single function takes long. It gains CPU time, if only the first function of a crank is timed. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'microtasks',
  ceilings: { crank_cpu_ms: 200 },
  async run() {
    const next = () => void Promise.resolve().then(next);
    next();
    await new Promise(() => undefined);
  },
});
