/** Checks its input by a pattern that backtracks without end. It gains CPU time of the host, if the host evaluates it. */
import { defineAgent } from '@corral/guest';

const properties = { text: { type: 'string', pattern: '^(a+)+$' } };

export default defineAgent({
  name: 'a',
  ceilings: { crank_cpu_ms: 200 },
  input: {
    '~standard': {
      version: 1,
      vendor: 'x',
      validate: (value) => (/^(a+)+$/.test((value as { text: string }).text) ? { value } : { issues: [{ message: 'no' }] }),
      jsonSchema: { input: () => ({ type: 'object', properties }), output: () => ({ type: 'object', properties }) },
    },
  },
  run: () => undefined,
});
