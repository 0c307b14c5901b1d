/** Emits more events in one crank than a crank may have. It gains whatever a host does with the rest. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(effects_per_crank)' };

export default defineAgent({
  name: 'too-many',
  ceilings: { crank_cpu_ms: 2_000 },
  run({ emit }) {
    for (let i = 0; ; i++) emit('x', i);
  },
});
