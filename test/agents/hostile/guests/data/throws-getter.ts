/** Throws an error whose message is computed for ever. It gains CPU time of whoever reads the message. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'throws-getter',
  ceilings: { crank_cpu_ms: 200 },
  run() {
    const error = new Error('x');
    Object.defineProperty(error, 'message', {
      get: () => {
        for (;;);
      },
    });
    throw error;
  },
});
