/** Registers symbols for ever, in a table that is the engine’s and not the agent’s. It gains memory that no reference of its own holds. */
import { defineAgent } from '@corral/guest';
import type { Expected } from '../expected.ts';

export const expected: Expected = { ends: ['exceeded(memory)', 'exceeded(cpu)'] };

export default defineAgent({
  name: 'symbols',
  ceilings: { crank_cpu_ms: 500 },
  budget: { cpu_ms: 30_000 },
  run() {
    for (let i = 0; ; i++) Symbol.for(`${'s'.repeat(100)}${i}`);
  },
});
