/** Emits a value whose `toJSON` never returns. It gains CPU time of the code that writes effects. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'to-json',
  ceilings: { crank_cpu_ms: 200 },
  run({ emit }) {
    emit('x', {
      toJSON() {
        for (;;);
      },
    });
  },
});
