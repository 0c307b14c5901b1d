/** Checks its input by a schema of its own that never returns. It gains CPU time of whoever evaluates schemas. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: 'exceeded(cpu)', limit: { cpu_ms: 200 } };

export default defineAgent({
  name: 'schema',
  ceilings: { crank_cpu_ms: 200 },
  input: {
    '~standard': {
      version: 1,
      vendor: 'hostile',
      validate: () => {
        for (;;);
      },
      jsonSchema: { input: () => ({}), output: () => ({}) },
    },
  },
  run: () => 1,
});
